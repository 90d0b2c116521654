import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, it } from 'vitest'

const ROOT = join(import.meta.dirname, '../..')

interface Locked {
  readonly version?: string
  readonly integrity?: string
  readonly resolved?: string
  readonly link?: boolean
  readonly dev?: boolean
  readonly optional?: boolean
  readonly devOptional?: boolean
  readonly hasInstallScript?: boolean
}

const json = (path: string) => JSON.parse(readFileSync(join(ROOT, path), 'utf8'))
const { packages } = json('package-lock.json') as { packages: Record<string, Locked> }
const installed = Object.entries(packages).filter(
  ([path, { link }]) => path.includes('node_modules/') && !link,
)

it('each package is locked to one version and its content, and comes from a registry', () => {
  expect(installed.length).toBeGreaterThan(100)
  for (const [path, { version, integrity, resolved, dev, optional }] of installed) {
    expect(version, path).toMatch(/^\d+\.\d+\.\d+/)
    expect(resolved ?? '', path).not.toMatch(/^(git|http:|file:)/)
    // Only the binaries that development tools have for other platforms are locked by version alone.
    if (!(dev && optional && integrity === undefined)) expect(integrity, path).toMatch(/^sha512-/)
  }
})

it('our own packages ask for exact versions', () => {
  const manifests = [
    '.',
    ...Object.keys(packages).filter((path) => path !== '' && !path.includes('node_modules')),
  ]
  expect(manifests.length).toBeGreaterThan(8)
  for (const folder of manifests) {
    const { dependencies = {}, devDependencies = {} } = json(join(folder, 'package.json'))
    for (const [name, version] of Object.entries({ ...dependencies, ...devDependencies })) {
      expect(version, `${name} in ${folder}`).toMatch(/^\d+\.\d+\.\d+(-[\w.]+)?$/)
    }
  }
})

it('packages that run a script when they are installed are known, and said to be allowed or not', () => {
  const { allowScripts } = json('package.json') as { allowScripts: Record<string, boolean> }
  const scripted = installed.filter(([, { hasInstallScript }]) => hasInstallScript)
  const names = scripted.map(([path]) =>
    path.slice(path.lastIndexOf('node_modules/') + 'node_modules/'.length),
  )
  expect(names.sort()).toEqual(Object.keys(allowScripts).sort())
})

it('npm run sbom lists all that runs, with version and content, and marks what only development needs', () => {
  const text = execFileSync('npm', ['run', '--silent', 'sbom'], { cwd: ROOT, encoding: 'utf8' })
  const { bomFormat, components } = JSON.parse(text) as {
    bomFormat: string
    components: readonly Component[]
  }
  expect(bomFormat).toBe('CycloneDX')
  const listed = new Map(components.map((component) => [component.purl, component]))
  const running = installed.filter(([, { dev, devOptional, optional }]) => !dev && !devOptional && !optional)
  expect(running.length).toBeGreaterThan(50)
  for (const [path, { version }] of running) {
    const name = nameOf(path).replace('@', '%40')
    expect(listed.get(`pkg:npm/${name}@${version}`), path).toMatchObject({ hashes: [{ alg: 'SHA-512' }] })
  }
  const vitest = [...listed.values()].find(({ purl }) => purl.startsWith('pkg:npm/vitest@'))
  expect(vitest?.properties).toContainEqual({ name: 'cdx:npm:package:development', value: 'true' })
})

interface Component {
  readonly purl: string
  readonly hashes?: readonly object[]
  readonly properties?: readonly object[]
}

function nameOf(path: string): string {
  return path.slice(path.lastIndexOf('node_modules/') + 'node_modules/'.length)
}
