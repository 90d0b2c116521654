import { isIP } from 'node:net'
import { join, resolve } from 'node:path'
import type { CertificateRequest, FolderEntry } from '@perigee/certificates'
import { Command, InvalidArgumentError } from 'commander'
import type { Act, Context } from '../context.ts'
import { EXIT } from '../exit-code.ts'
import { Failure } from '../failure.ts'

/** A name, and the hosts that are given for it. */
type Named = readonly (readonly [name: string, hosts: readonly string[]])[]

interface CertsOptions {
  readonly dir: string
  readonly domain?: string
  readonly regions?: string
  readonly also: Named
  readonly server: Named
  readonly client: readonly string[]
  readonly days: number
}

/** Only this command makes certificates: the others needn't wait for what it takes. */
const certificates = () => import('@perigee/certificates')

const NAME = /^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$/
const DAY_MS = 86_400_000

/** `perigee certs`: makes a private CA and certificates. */
export function certsCommand(act: Act): Command {
  return new Command('certs')
    .description(
      'Makes a private CA, and certificates for sidecars, clients and Redis. For trials and small clusters.',
    )
    .option('--dir <dir>', 'the folder; one that has a CA is added to', 'certs')
    .option('--also <region=host,...>', "more names or IP addresses of a region's sidecars", named, [])
    .option('--server <name=host,...>', 'a certificate for another server, such as a Redis', named, [])
    .option('--client <name>', 'a certificate for a client of that name', clientName, [])
    .option('--days <days>', 'how long certificates are good', wholeDays, 365)
    .addHelpText(
      'after',
      `
  perigee certs --domain rag.internal --regions us-east-1,eu-west-1 --client app --client operator

makes ca.pem, a <region>.pem for each region with the names api.<region>.<domain> and sidecar.<domain>, client-<name>.pem, and a
-key.pem beside each. Nothing that is there is written over: to renew a certificate, move it and its key away and say the
same again. Keep ca-key.pem off the servers: who has it can be anybody.`,
    )
    .action(act(certs))
}

async function certs({ output }: Context, options: CertsOptions): Promise<void> {
  const requests = await requestsFrom(options)
  const dir = resolve(options.dir)
  const { folder, entries } = await make(dir, requests, options)
  if (output.json) {
    output.printJson({ ca: folder.ca, caMade: folder.authorityMade, certificates: entries })
    return
  }
  const line = (made: boolean, what: string) => `${made ? 'made' : 'kept'}  ${what}`
  output.print(
    [
      line(folder.authorityMade, `${folder.ca}, ${join(dir, 'ca-key.pem')}`),
      ...entries.map(({ cert, key, made }) => line(made, `${cert}, ${key}`)),
    ].join('\n'),
  )
  if (entries.some(({ made }) => !made))
    output.note('what was there is kept: move it away to have it made anew')
}

/** @throws Failure */
async function make(
  dir: string,
  requests: ReadonlyMap<string, CertificateRequest>,
  { domain, days }: CertsOptions,
) {
  try {
    const { CertificateFolder } = await certificates()
    const folder = await CertificateFolder.open(dir, {
      authorityName: `Perigee CA of ${domain ?? 'this folder'}`,
    })
    const notAfter = new Date(Date.now() + days * DAY_MS)
    const entries: FolderEntry[] = []
    for (const [file, request] of requests) {
      entries.push(await folder.certificate(file, { ...request, notAfter }))
    }
    return { folder, entries }
  } catch (error) {
    throw new Failure({
      message: error instanceof Error ? error.message : String(error),
      hint: 'nothing that was there has been changed',
      code: 'CERTS_FAILED',
      exitCode: EXIT.USAGE,
      cause: error,
    })
  }
}

/** What is to be made, by the name of its file. @throws Failure */
async function requestsFrom({
  domain,
  regions = '',
  also,
  server,
  client,
}: CertsOptions): Promise<Map<string, CertificateRequest>> {
  const requests = new Map<string, CertificateRequest>()
  const add = (file: string, request: CertificateRequest) => {
    if (requests.has(file) || file === 'ca')
      throw Failure.usage(`two certificates would be named ${file}`, 'name one differently')
    requests.set(file, request)
  }
  const names = regions
    .split(',')
    .map((region) => region.trim())
    .filter(Boolean)
  const wrong = names.find((region) => !NAME.test(region))
  if (wrong !== undefined) throw Failure.usage(`"${wrong}" is no region`, 'give --regions a,b,c')
  if (names.length > 0 && !domain)
    throw Failure.usage('--regions needs --domain', 'certificates are for api.<region>.<domain>')
  const stray = also.find(([region]) => !names.includes(region))
  if (stray)
    throw Failure.usage(`--also ${stray[0]}=… is for none of the regions`, 'name the region in --regions too')
  const { sidecarCertificate } = await certificates()
  for (const region of names) {
    const hosts = also.filter(([name]) => name === region).flatMap(([, more]) => more)
    add(region, sidecarCertificate({ region, domain: domain ?? '', also: hosts }))
  }
  for (const [name, hosts] of server) add(name, { name, names: hosts, use: 'server' })
  for (const name of client) add(`client-${name}`, { name, names: [name], use: 'client' })
  if (requests.size > 0) return requests
  throw Failure.usage('there is nothing to make', 'give --domain and --regions, --server or --client')
}

function named(value: string, before: Named): Named {
  const [name = '', list = ''] = value.split('=', 2)
  const hosts = list
    .split(',')
    .map((host) => host.trim())
    .filter(Boolean)
  if (!NAME.test(name) || hosts.length === 0) throw new InvalidArgumentError('Write it as name=host,host.')
  const wrong = hosts.find(
    (host) => isIP(host) === 0 && !/^(\*\.)?[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?$/.test(host),
  )
  if (wrong !== undefined)
    throw new InvalidArgumentError(`"${wrong}" is neither a DNS name nor an IP address.`)
  return [...before, [name, hosts]]
}

function clientName(value: string, before: readonly string[]): readonly string[] {
  if (!NAME.test(value)) throw new InvalidArgumentError('It has 1 to 63 of A-Z, a-z, 0-9, ., _ and -.')
  return [...before, value]
}

function wholeDays(value: string): number {
  if (!/^[1-9]\d{0,4}$/.test(value)) throw new InvalidArgumentError('It must be a whole number of days.')
  return Number(value)
}
