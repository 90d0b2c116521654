import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { expect, it } from 'vitest'
import { parse } from 'yaml'

interface Service {
  readonly image: string
  readonly user?: string
  readonly read_only?: boolean
  readonly cap_drop?: readonly string[]
  readonly cap_add?: readonly string[]
  readonly security_opt?: readonly string[]
  readonly privileged?: boolean
  readonly ports?: readonly string[]
  readonly volumes?: readonly string[]
  readonly network_mode?: string
}

const read = (path: string) => readFileSync(fileURLToPath(new URL(`../../${path}`, import.meta.url)), 'utf8')
const { services } = parse(read('docker-compose.yml'), { merge: true }) as {
  services: Record<string, Service>
}
const dockerfile = read('deploy/Dockerfile')

/** Of what may not be dropped, and why: files for their users, and port 53. */
const ADDED: Readonly<Record<string, readonly string[]>> = {
  credentials: ['CHOWN', 'DAC_OVERRIDE'],
  dns: ['NET_BIND_SERVICE'],
}

it.each(Object.entries(services))(
  'the container %s writes only into volumes, has no capability that it does without, and takes on no other user',
  (name, service) => {
    expect(service).toMatchObject({
      read_only: true,
      cap_drop: ['ALL'],
      security_opt: ['no-new-privileges:true'],
    })
    expect(service.cap_add ?? []).toEqual(ADDED[name] ?? [])
    expect(service.privileged).toBeUndefined()
    for (const port of service.ports ?? []) expect(port).toMatch(/^127\.0\.0\.1:/)
    for (const volume of service.volumes ?? []) {
      // What is this machine's, and what is others' secrets, is read only.
      if (volume.startsWith('.') || (volume.startsWith('credentials:') && name !== 'credentials')) {
        expect(volume).toMatch(/:ro$/)
      }
    }
  },
)

it('nobody is root, but for who makes the credentials and reaches no network', () => {
  for (const [name, { user = 'root', network_mode }] of Object.entries(services)) {
    if (name === 'credentials') expect(network_mode).toBe('none')
    else expect(user, name).not.toMatch(/^(root|0)\b/)
  }
  const users = [...dockerfile.matchAll(/^USER (.+)$/gm)].map(([, user]) => user)
  expect(users).toEqual(['1000:1000'])
})

it('images that are fetched are named by a whole version, or by digest', () => {
  const [, base = ''] = /^ARG NODE_IMAGE=(.+)$/m.exec(dockerfile) ?? []
  expect([...dockerfile.matchAll(/^FROM (\S+)/gm)].map(([, image]) => image)).toEqual([
    ...Array(2).fill(`\${NODE_IMAGE}`),
  ])
  const fetched = Object.values(services).flatMap(({ image }) => (image === 'perigee-sidecar' ? [] : [image]))
  for (const image of [base, ...fetched]) expect(image).toMatch(/:\d+\.\d+\.\d+(-|$)|@sha256:[0-9a-f]{64}$/)
})

it('the image is built by the lockfile, and without scripts of packages', () => {
  const installs = dockerfile.match(/npm (ci|install|i)\b.*/g) ?? []
  expect(installs).toHaveLength(2)
  for (const install of installs) expect(install).toMatch(/^npm ci --ignore-scripts /)
})
