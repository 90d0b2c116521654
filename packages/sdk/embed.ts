/**
 * Puts the packages that are on no registry into `dist`, so that the tarball is whole by itself: copies their `dist`
 * beside ours and points every import of them there. Also names `.js` files in declarations, as TypeScript leaves
 * `.ts` in those.
 */
import { cp, glob, readFile, writeFile } from 'node:fs/promises'
import { dirname, join, relative } from 'node:path'

const EMBEDDED = ['core', 'protocol']
const dist = join(import.meta.dirname, 'dist')

for (const name of EMBEDDED) {
  await cp(join(import.meta.dirname, '..', name, 'dist'), join(dist, name), {
    recursive: true,
    filter: (path) => !path.endsWith('.map'),
  })
}

for await (const file of glob('**/*.{js,d.ts}', { cwd: dist })) {
  const path = join(dist, file)
  const source = await readFile(path, 'utf8')
  const isDeclaration = file.endsWith('.d.ts')
  // The maps of what is copied stay where they are.
  const unmapped = EMBEDDED.some((name) => file.startsWith(`${name}/`))
    ? source.replace(/^\/\/# sourceMappingURL=.*$/m, '')
    : source
  const written = unmapped.replaceAll(
    /((?:from|import)\s*\(?\s*)(['"])([^'"]+)\2/g,
    (_, before: string, quote: string, specifier: string) =>
      `${before}${quote}${target(specifier, dirname(path), isDeclaration)}${quote}`,
  )
  if (written !== source) await writeFile(path, written)
}

function target(specifier: string, folder: string, isDeclaration: boolean): string {
  const name = EMBEDDED.find((embedded) => specifier === `@perigee/${embedded}`)
  if (name === undefined) {
    return isDeclaration && specifier.startsWith('.') ? specifier.replace(/\.ts$/, '.js') : specifier
  }
  const path = relative(folder, join(dist, name, 'index.js')).replaceAll('\\', '/')
  return path.startsWith('.') ? path : `./${path}`
}
