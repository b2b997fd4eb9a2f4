// A visitor of a page whose key may send one error a minute: `node limited.js CHROMIUM ADDRESS` presses its buttons until
// the limit has ended, and leaves. Prints, as JSON, what the SDK was told of each error (`told`), and which items the page
// sent meanwhile (`sent`, one list for each of the parts).
import { chromium } from "playwright-core";

const [executablePath, address] = process.argv.slice(2);
const MARGIN_S = 10;
const sleep = (seconds) => new Promise((resolve) => setTimeout(resolve, seconds * 1000));

/** The types of an envelope's items, each payload of which is one line; sessions are sent in their own time. */
const items = (envelope) =>
  envelope
    .trim()
    .split("\n")
    .filter((_, line) => line % 2 === 1)
    .map((header) => JSON.parse(header).type)
    .filter((type) => type !== "session");

const browser = await chromium.launch({ executablePath, args: ["--no-sandbox"] });
const page = await browser.newPage();
const sent = [];
page.on("request", (request) => request.method() === "POST" && sent.at(-1).push(...items(request.postData())));

/** Press buttons; what comes of each is answered before the next is pressed. */
async function press(...buttons) {
  sent.push([]);
  for (const button of buttons) {
    const before = await page.evaluate(() => window.pressed);
    await page.click(`#${button}`);
    await page.waitForFunction((before) => window.pressed > before, before);
  }
  await page.waitForLoadState("networkidle");
}

sent.push([]);
await page.goto(address);
// Not within the last seconds of a minute, where the limit would end meanwhile.
const left = 60 - ((Date.now() / 1000) % 60);
await sleep(left < MARGIN_S ? left : 0);

await press("fail", "fail");
await press("fail", "fail", "fail");
await press("work", "tell");
const refused = (await page.evaluate(() => window.told)).find((answer) => answer.statusCode === 429);
await sleep(Number(refused?.headers["retry-after"] ?? 0) + 1);
await press("fail");
process.stdout.write(JSON.stringify({ told: await page.evaluate(() => window.told), sent }));

// Who leaves sends the client report. Nobody is told what becomes of that, and it takes a moment.
await page.goto("about:blank");
await sleep(1);
await browser.close();
