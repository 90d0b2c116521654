import { randomUUID } from 'node:crypto'
import { cpSync, mkdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

/** A package whose source can be varied. */
type VariedPackage = 'core' | 'sdk' | 'sidecar'

/** One change of one source file. */
export interface Replacement {
  readonly package: VariedPackage
  /** Path of the file below the package's `src`. */
  readonly file: string
  /** Must occur exactly once. */
  readonly from: string
  readonly to: string
}

/** Programs that run from changed source, until they are disposed of. */
export interface Variant {
  /** The sidecar's main file. */
  readonly sidecarMain: string
  /** The client's. */
  readonly sdkMain: string
  [Symbol.dispose](): void
}

const ROOT = fileURLToPath(new URL('../../', import.meta.url))
const FOLDERS: Readonly<Record<VariedPackage, string>> = {
  core: 'packages/core',
  sdk: 'packages/sdk',
  sidecar: 'apps/sidecar',
}

/**
 * Copies the source of sidecar, client and core beside the original, where all they import is found, and changes it. Node
 * runs it as it is.
 *
 * @throws Error when what is to be replaced isn't there exactly once: the code has moved, and the change with it.
 */
export function makeVariant(name: string, replacements: readonly Replacement[]): Variant {
  const id = `${name}-${randomUUID().slice(0, 8)}`
  const folderOf = (one: VariedPackage) => join(ROOT, FOLDERS[one], '.variants', id)
  const dispose = () => {
    for (const one of Object.keys(FOLDERS) as VariedPackage[])
      rmSync(folderOf(one), { recursive: true, force: true })
  }
  try {
    for (const one of Object.keys(FOLDERS) as VariedPackage[]) copyPackage(one, folderOf(one))
    for (const one of ['sdk', 'sidecar'] as const) useCore(folderOf(one), folderOf('core'))
    for (const replacement of replacements) replace(folderOf(replacement.package), replacement)
  } catch (error) {
    dispose()
    throw error
  }
  return {
    sidecarMain: join(folderOf('sidecar'), 'src/main.ts'),
    sdkMain: join(folderOf('sdk'), 'src/index.ts'),
    [Symbol.dispose]: dispose,
  }
}

function copyPackage(name: VariedPackage, folder: string): void {
  const original = join(ROOT, FOLDERS[name])
  const isSource = (path: string) => !/\.spec(-support)?\.ts$/.test(path)
  cpSync(join(original, 'src'), join(folder, 'src'), { recursive: true, filter: isSource })
  const manifest = JSON.parse(readFileSync(join(original, 'package.json'), 'utf8'))
  const exports = { '.': './src/index.ts', './package.json': './package.json' }
  writeFileSync(join(folder, 'package.json'), JSON.stringify({ ...manifest, exports }))
}

/** Makes what runs from a folder import the varied core. */
function useCore(folder: string, core: string): void {
  const link = join(folder, 'node_modules/@perigee/core')
  mkdirSync(dirname(link), { recursive: true })
  symlinkSync(core, link)
}

function replace(folder: string, replacement: Replacement): void {
  const path = join(folder, 'src', replacement.file)
  // From the copy, since there may be several of one file.
  writeFileSync(path, replaced(readFileSync(path, 'utf8'), replacement))
}

/** @throws Error when the original has no such place, or several. */
export function checkReplacement(replacement: Replacement): void {
  replaced(
    readFileSync(join(ROOT, FOLDERS[replacement.package], 'src', replacement.file), 'utf8'),
    replacement,
  )
}

function replaced(source: string, { package: name, file, from, to }: Replacement): string {
  const count = source.split(from).length - 1
  if (count !== 1) {
    throw new Error(
      `${FOLDERS[name]}/src/${file} has this ${count} times, not once, so the change must be brought up to date:\n${from}`,
    )
  }
  // A function, so that no $ in the text stands for anything.
  return source.replace(from, () => to)
}
