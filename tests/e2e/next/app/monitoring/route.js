// Ad blockers let a page talk to its own server: what the page sends goes through here to the gateway.
export async function POST(request) {
  const answer = await fetch(`${process.env.GATEWAY}/tunnel`, { method: "POST", body: await request.arrayBuffer() });
  return new Response(await answer.text(), { status: answer.status });
}
