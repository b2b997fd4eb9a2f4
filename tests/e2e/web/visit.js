// A visitor of a page: `node visit.js CHROMIUM ADDRESS BUTTON...` presses each button, and leaves. Prints what became of
// the page's POSTs, as JSON: their statuses, or why there is none.
import { chromium } from "playwright-core";

const [executablePath, address, ...buttons] = process.argv.slice(2);
const isPost = (request) => request.method() === "POST";
const answers = [];

const browser = await chromium.launch({ executablePath, args: ["--no-sandbox"] });
const page = await browser.newPage();
page.on("response", (response) => isPost(response.request()) && answers.push(response.status()));
page.on("requestfailed", (request) => isPost(request) && answers.push(request.failure().errorText));
await page.goto(address);
for (const button of buttons) {
  // Each is answered before the next is pressed, so that what comes of it is told apart.
  await page.click(`#${button}`);
  await page.waitForLoadState("networkidle");
}
process.stdout.write(JSON.stringify(answers));

// Who leaves sends what is left. Nobody is told what becomes of that, and it takes a moment.
await page.goto("about:blank");
await new Promise((resolve) => setTimeout(resolve, 1000));
await browser.close();
