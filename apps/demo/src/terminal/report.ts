import Table from 'cli-table3'
import colors from 'picocolors'

const indent = '   '
const ansi = new RegExp(`${String.fromCharCode(27)}\\[[0-9;]*m`, 'g')

/** What the demo says on stdout: numbered steps, indented lines and plain tables, at most 100 columns wide. */
export class Report {
  readonly #write: (text: string) => void
  #steps = 0

  constructor(write: (text: string) => void = (text) => process.stdout.write(text)) {
    this.#write = write
  }

  title(name: string, subtitle: string): void {
    this.#write(`\n${colors.bold(name)} ${colors.dim('·')} ${subtitle}\n`)
  }

  step(title: string): void {
    this.#steps += 1
    this.#write(`\n${colors.bold(colors.cyan(String(this.#steps)))}  ${colors.bold(title)}\n`)
  }

  /** A heading without a number. */
  heading(title: string): void {
    this.#write(`\n${colors.bold(title)}\n\n`)
  }

  line(text = ''): void {
    this.#write(`${text === '' ? '' : indent}${text}\n`)
  }

  dim(text: string): void {
    this.line(colors.dim(text))
  }

  /** A fact that was checked. */
  check(text: string): void {
    this.line(`${colors.green('✓')} ${text}`)
  }

  failure(text: string): void {
    this.line(`${colors.red('✗')} ${text}`)
  }

  /** Columns are aligned left, those of figures (all but the first `labels`) right. */
  table(head: string[], rows: string[][], options: { labels?: number } = {}): void {
    const labels = options.labels ?? 1
    const table = new Table({
      head: head.map((text) => colors.dim(text)),
      colAligns: head.map((_, column) => (column < labels ? 'left' : 'right')),
      style: { head: [], border: [], 'padding-left': 0, 'padding-right': 3 },
      chars: borderless,
    })
    table.push(...rows)
    for (const line of table.toString().split('\n')) this.line(trimEnd(line))
  }
}

/** Trailing spaces go, also those before a closing colour sequence. */
function trimEnd(line: string): string {
  return line.replace(ansi, '').trimEnd() === '' ? '' : line.trimEnd()
}

const borderless = {
  top: '',
  'top-mid': '',
  'top-left': '',
  'top-right': '',
  bottom: '',
  'bottom-mid': '',
  'bottom-left': '',
  'bottom-right': '',
  left: '',
  'left-mid': '',
  mid: '',
  'mid-mid': '',
  right: '',
  'right-mid': '',
  middle: '',
}
