/** A piece of a document that is worth finding on its own. */
export interface Passage {
  /** The headings above it, outermost first, without the document's own title when it has none. */
  headings: string[]
  text: string
}

/** About 200 tokens, well within the 256 that the model reads. */
const charsMax = 700
/** Sections shorter than this are left out; the last piece of a longer one joins the piece before it. */
const charsMin = 80

/**
 * Splits Markdown by its headings, and long sections by paragraphs, then lines, then anywhere.
 *
 * Markup that says nothing to a reader of plain text (badges, images, HTML, link targets) is left out.
 */
export function split(markdown: string): Passage[] {
  return sectionsOf(markdown).flatMap(({ headings, lines }) =>
    pack(paragraphsOf(lines))
      .filter((text) => text.length >= charsMin)
      .map((text) => ({ headings, text })),
  )
}

interface Section {
  headings: string[]
  lines: string[]
}

function sectionsOf(markdown: string): Section[] {
  const sections: Section[] = []
  let current: Section = { headings: [], lines: [] }
  sections.push(current)
  let fence: string | undefined
  const open: string[] = []
  const lines = withoutComments(markdown).split(/\r?\n/)
  for (const [i, raw] of lines.entries()) {
    const mark = /^\s*(```+|~~~+)/.exec(raw)?.[1]
    if (mark && (fence === undefined || mark.startsWith(fence))) {
      fence = fence === undefined ? mark : undefined
      continue
    }
    if (fence !== undefined) {
      current.lines.push(raw.trimEnd())
      continue
    }
    const heading = headingAt(raw, lines[i + 1])
    if (heading?.title) {
      open.length = Math.min(open.length, heading.level - 1)
      open[heading.level - 1] = heading.title
      current = { headings: open.filter(Boolean), lines: [] }
      sections.push(current)
    } else if (!/^\s*(=+|-{3,}|\*{3,})\s*$/.test(raw)) {
      // A line that held nothing but markup is dropped, an empty one separates paragraphs.
      const text = plain(raw)
      if (text !== '' || raw.trim() === '') current.lines.push(text)
    }
  }
  return sections
}

function headingAt(line: string, next: string | undefined): { level: number; title: string } | undefined {
  const atx = /^ {0,3}(#{1,6})\s+(.*?)\s*#*\s*$/.exec(line)
  if (atx?.[1]) return { level: atx[1].length, title: plain(atx[2] ?? '') }
  const html = /^\s*<h([1-6])[^>]*>(.*?)<\/h\1>\s*$/i.exec(line)
  if (html?.[1]) return { level: Number(html[1]), title: plain(html[2] ?? '') }
  if (next === undefined || !/^\S/.test(line)) return undefined
  if (/^=+\s*$/.test(next)) return { level: 1, title: plain(line) }
  if (/^-{3,}\s*$/.test(next) && !line.includes('|')) return { level: 2, title: plain(line) }
  return undefined
}

function withoutComments(markdown: string): string {
  return markdown.replace(/^---\r?\n[\s\S]*?\r?\n---\r?\n/, '').replace(/<!--[\s\S]*?-->/g, '')
}

/** One line of Markdown, as it reads aloud. */
function plain(line: string): string {
  return line
    .replace(/\[!\[[^\]]*\]\([^)]*\)\]\([^)]*\)/g, '')
    .replace(/!\[[^\]]*\](\([^)]*\)|\[[^\]]*\])/g, '')
    .replace(/\[([^\]]+)\](\([^)]*\)|\[[^\]]*\])/g, '$1')
    .replace(/^\s*\[[^\]]+\]:\s+\S+.*$/, '')
    .replace(/<(https?:[^>\s]+)>/g, '$1')
    .replace(/<\/?[a-z][^>]*>?/gi, '')
    .replace(/&nbsp;/g, ' ')
    .replace(/&lt;/g, '<')
    .replace(/&gt;/g, '>')
    .replace(/&amp;/g, '&')
    .replace(/(\*\*|__)(.+?)\1/g, '$2')
    .replace(/^\s*\|?[\s:|-]*-{3}[\s:|-]*$/, '')
    .replace(/\s{2,}/g, ' ')
    .trim()
}

function paragraphsOf(lines: string[]): string[] {
  return lines
    .join('\n')
    .split(/\n\s*\n/)
    .map((paragraph) => paragraph.replace(/^\n+|\s+$/g, ''))
    .filter((paragraph) => /\p{L}/u.test(paragraph))
}

/** Joins neighbours as long as they fit, and cuts what doesn't. */
function pack(paragraphs: string[]): string[] {
  const packed: string[] = []
  let text = ''
  for (const piece of paragraphs.flatMap(cut)) {
    if (text !== '' && text.length + piece.length + 1 > charsMax) {
      packed.push(text)
      text = ''
    }
    text = text === '' ? piece : `${text}\n${piece}`
  }
  // A short rest says too little alone.
  if (text.length < charsMin && packed.length > 0) packed.push(`${packed.pop()}\n${text}`)
  else if (text !== '') packed.push(text)
  return packed
}

function cut(paragraph: string): string[] {
  if (paragraph.length <= charsMax) return [paragraph]
  return paragraph.split('\n').flatMap((line) => {
    const pieces: string[] = []
    let rest = line
    while (rest.length > charsMax) {
      const space = rest.lastIndexOf(' ', charsMax)
      const end = space > charsMax / 2 ? space : charsMax
      pieces.push(rest.slice(0, end))
      rest = rest.slice(end).trimStart()
    }
    return [...pieces, rest]
  })
}
