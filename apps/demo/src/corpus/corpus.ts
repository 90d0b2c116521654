import { readdir, readFile } from 'node:fs/promises'
import { join, relative, sep } from 'node:path'
import { split } from './chunker.ts'

/** A passage of the corpus, as it is indexed. */
export interface CorpusChunk {
  /** Such as `ioredis/README.md#12`. */
  id: string
  text: string
  package: string
  /** The package and the headings above the passage. */
  title: string
  /** Below the repository's root. */
  path: string
}

export interface Corpus {
  chunks: CorpusChunk[]
  documents: number
  packages: number
}

/** The main job is shown on at least this many chunks. */
export const chunksMin = 1_000
/** More would only make the first run longer: each takes a tenth of a second to embed. */
const chunksMax = 1_150

const ownPackage = 'perigee'

/**
 * Reads the Markdown of the project in `root` and of all dependencies installed in it.
 *
 * The project's own is taken whole, and of the rest the beginnings of all documents, to the same length. The same
 * files always give the same chunks in the same order.
 *
 * @throws if there are fewer than {@link chunksMin} chunks.
 */
export async function readCorpus(root: string): Promise<Corpus> {
  const documents = await readDocuments(root)
  const share = largestShare(documents)
  const chunks = documents.flatMap((document) => taken(document, share))
  if (chunks.length < chunksMin) {
    throw new Error(
      `The Markdown below ${root} gives ${chunks.length} chunks, the demo needs ${chunksMin}. ` +
        'Run npm ci, without --omit, in the repository first.',
    )
  }
  return {
    chunks,
    documents: documents.length,
    packages: new Set(chunks.map((chunk) => chunk.package)).size,
  }
}

/** What the model reads of a chunk. */
export function embeddedText(chunk: CorpusChunk): string {
  return `${chunk.title}. ${chunk.text}`
}

/** How many chunks of each document may be taken, for all of them to be at most {@link chunksMax}. */
function largestShare(documents: CorpusChunk[][]): number {
  const total = (share: number) => documents.reduce((sum, document) => sum + taken(document, share).length, 0)
  const longest = Math.max(...documents.map((document) => document.length), 0)
  let share = 1
  while (share < longest && total(share + 1) <= chunksMax) share++
  return share
}

function taken(document: CorpusChunk[], share: number): CorpusChunk[] {
  return document[0]?.package === ownPackage ? document : document.slice(0, share)
}

async function readDocuments(root: string): Promise<CorpusChunk[][]> {
  const documents: CorpusChunk[][] = []
  const seenNames = new Set<string>()
  const seenTexts = new Set<string>()
  for (const path of await markdownBelow(root)) {
    const { package: name, file } = sourceOf(path)
    // Another version of a package that is already here.
    if (seenNames.has(`${name}/${file}`)) continue
    seenNames.add(`${name}/${file}`)
    const passages = split(await readFile(join(root, path), 'utf8'))
    const chunks = passages.flatMap(({ headings, text }, number): CorpusChunk[] => {
      if (seenTexts.has(text)) return []
      seenTexts.add(text)
      const title = headings[0]?.toLowerCase() === name.toLowerCase() ? headings : [name, ...headings]
      return [{ id: `${name}/${file}#${number}`, text, package: name, title: title.join(' › '), path }]
    })
    if (chunks.length > 0) documents.push(chunks)
  }
  return documents
}

/** Paths below `root`, the project's own first, then by depth of nesting and name. */
async function markdownBelow(root: string): Promise<string[]> {
  const found: string[] = []
  const walk = async (folder: string): Promise<void> => {
    const entries = await readdir(folder, { withFileTypes: true }).catch(() => [])
    for (const entry of entries) {
      const path = join(folder, entry.name)
      // Links lead from node_modules back to the project's own packages.
      if (entry.isDirectory() && !isSkippedFolder(entry.name)) await walk(path)
      else if (entry.isFile() && isWanted(entry.name)) found.push(relative(root, path).split(sep).join('/'))
    }
  }
  await walk(root)
  const depth = (path: string) => path.split('node_modules/').length
  return found.sort((a, b) => depth(a) - depth(b) || (a < b ? -1 : 1))
}

function isSkippedFolder(name: string): boolean {
  return name.startsWith('.') || name === 'dist' || name === 'test' || name === 'tests'
}

function isWanted(name: string): boolean {
  if (!/\.(md|markdown)$/i.test(name)) return false
  // Translations would answer English questions twice, in languages the model hardly knows.
  if (/[.-][a-z]{2}([-_][a-z]{2})?\.md$/i.test(name)) return false
  return !/^(licen[cs]e|copying|notice|third.?party|change|history|releas|contribut|security|code.of.conduct|authors|governance|support)/i.test(
    name,
  )
}

function sourceOf(path: string): { package: string; file: string } {
  const inside = /^(?:.*\/)?node_modules\/((?:@[^/]+\/)?[^/]+)\/(.+)$/.exec(path)
  if (inside?.[1] && inside[2]) return { package: inside[1], file: inside[2] }
  return { package: ownPackage, file: path }
}
