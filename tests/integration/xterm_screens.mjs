// Reads JSON [{rows, cols, pieces: [base64]}] from stdin, feeds each to an xterm.js, and writes what it then shows.
import { readFileSync } from 'node:fs';
import headless from '@xterm/headless';
import unicode11 from '@xterm/addon-unicode11';

async function show({ rows, cols, pieces }) {
  const term = new headless.Terminal({ rows, cols, scrollback: 20000, allowProposedApi: true });
  term.loadAddon(new unicode11.Unicode11Addon());
  term.unicode.activeVersion = '11';
  const sent = [];
  term.onData((data) => sent.push(data));
  let title = '';
  term.onTitleChange((text) => { title = text; });
  for (const piece of pieces) {
    await new Promise((done) => term.write(Buffer.from(piece, 'base64'), done));
  }
  const buffer = term.buffer.active;
  const result = {
    type: buffer.type, x: buffer.cursorX, y: buffer.cursorY, title, modes: term.modes, sent,
    history: text(term.buffer.normal, 0, term.buffer.normal.baseY),
    normal: text(term.buffer.normal, term.buffer.normal.baseY, term.buffer.normal.length),
    cells: cells(buffer, rows, cols),
  };
  term.dispose();
  return result;
}

function text(buffer, start, end) {
  const lines = [];
  for (let y = start; y < end; y++) {
    lines.push(buffer.getLine(y).translateToString(true).trimEnd());
  }
  return lines;
}

function cells(buffer, rows, cols) {
  const lines = [];
  for (let y = 0; y < rows; y++) {
    const line = buffer.getLine(buffer.baseY + y);
    const row = [];
    for (let x = 0; x < cols; x++) {
      const cell = line.getCell(x);
      row.push([
        cell.getChars() || (cell.getWidth() ? ' ' : ''), cell.getWidth(),
        cell.isFgDefault() ? '' : (cell.isFgRGB() ? '#' : 'p') + cell.getFgColor(),
        cell.isBgDefault() ? '' : (cell.isBgRGB() ? '#' : 'p') + cell.getBgColor(),
        [cell.isBold(), cell.isItalic(), cell.isDim(), cell.isUnderline(), cell.isInverse(), cell.isInvisible(),
          cell.isStrikethrough(), cell.isBlink()].map((on) => (on ? 1 : 0)).join(''),
      ].join('|'));
    }
    lines.push(row);
  }
  return lines;
}

const results = [];
for (const job of JSON.parse(readFileSync(0, 'utf8'))) {
  results.push(await show(job));
}
process.stdout.write(JSON.stringify(results));
