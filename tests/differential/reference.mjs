// Replays flows with @puppeteer/replay itself. One JSON object a line comes in: {steps, timeout}; one goes out:
// {failedStep (1-based, null if none), error}. Arguments: path of Chromium, then Chromium's own.
import readline from 'node:readline';
import puppeteer from 'puppeteer-core';
import {createRunner, parse, PuppeteerRunnerExtension} from '@puppeteer/replay';

const [executablePath, ...args] = process.argv.slice(2);
const browser = await puppeteer.launch({executablePath, args, headless: true, defaultViewport: {width: 1280, height: 720}});

class Counting extends PuppeteerRunnerExtension {
  step = 0;
  async beforeEachStep() { this.step += 1; }
}

async function replay(recording) {
  const context = await browser.createBrowserContext();
  const accept = (page) => page?.on('dialog', (dialog) => dialog.accept(dialog.defaultValue()).catch(() => {}));
  context.on('targetcreated', async (target) => accept(await target.page().catch(() => null)));
  const page = await context.newPage();
  const extension = new Counting(browser, page, {timeout: recording.timeout});
  try {
    await (await createRunner(parse({title: 'flow', ...recording}), extension)).run();
    return {failedStep: null};
  } catch (error) {
    return {failedStep: extension.step, error: String(error.message)};
  } finally {
    await context.close();
  }
}

process.on('unhandledRejection', () => {}); // An asserted navigation may fail after its step did.
console.log(JSON.stringify({ready: true}));
for await (const line of readline.createInterface({input: process.stdin})) {
  console.log(JSON.stringify(await replay(JSON.parse(line))));
}
await browser.close();
