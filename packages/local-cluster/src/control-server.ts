import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { Address } from './address.ts'
import type { ClusterState } from './cluster-state.ts'
import { type DnsSettings, dnsChanges } from './dns-fault.ts'
import { delayMsMax, type LinkMode, type LinkSettings, linkModes } from './link.ts'
import { listenError } from './relay.ts'

/** A link and its settings, as the control port tells them. */
export interface LinkState extends LinkSettings {
  readonly from: string
  readonly to: string
}

/** A region's name as another region sees it, and what is wrong with it, as the control port tells. */
export interface DnsState extends DnsSettings {
  readonly from: string
  readonly to: string
}

/** What the control port can do with a cluster. */
export interface Controllable {
  state(): ClusterState
  links(): readonly LinkState[]
  setLink(from: string, to: string, changes: Partial<LinkSettings>): Promise<LinkState>
  /** Names that aren't answered truly. */
  dnsFaults(): readonly DnsState[]
  setDns(from: string, to: string, changes: Partial<DnsSettings>): Promise<DnsState>
  setDnsView(from: string, changes: Partial<DnsSettings>): Promise<readonly DnsState[]>
  startProcess(region: string, name: string): Promise<void>
  stopProcess(region: string, name: string, signal?: NodeJS.Signals): Promise<void>
}

/** A request that can't be served; the message says why. */
export class ControlError extends Error {
  readonly status: number

  constructor(status: number, message: string) {
    super(message)
    this.name = 'ControlError'
    this.status = status
  }
}

const bodyBytesMax = 64 * 1024
const signals: readonly string[] = ['SIGTERM', 'SIGKILL', 'SIGSTOP', 'SIGCONT', 'SIGINT']
const usage =
  'GET /state, POST /links/<from>/<to>, POST /dns/<from>/<to>, POST /dns/<from>, POST /processes/<region>/<name>/start, POST /processes/<region>/<name>/stop'

/** HTTP with JSON by which faults are made and mended. Its address is the lock that tells clusters apart. */
export class ControlServer {
  readonly #address: Address
  readonly #server: Server
  #cluster: Controllable | undefined

  constructor(address: Address) {
    this.#address = address
    this.#server = createServer((request, response) => void this.#serve(request, response))
  }

  get url(): string {
    const listening = this.#server.address()
    const port = listening === null || typeof listening === 'string' ? this.#address.port : listening.port
    return `http://${this.#address.host}:${port}`
  }

  /** Takes the address. Requests are refused until {@link serve}. */
  async listen(): Promise<void> {
    const { host, port } = this.#address
    await new Promise<void>((resolve, reject) => {
      this.#server.once('error', (error) => reject(listenError(error, this.#address)))
      this.#server.listen(port, host, resolve)
    })
  }

  serve(cluster: Controllable): void {
    this.#cluster = cluster
  }

  async close(): Promise<void> {
    const closed = new Promise((resolve) => this.#server.close(resolve))
    this.#server.closeAllConnections()
    await closed
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    try {
      reply(response, 200, await this.#answer(request))
    } catch (error) {
      const status = error instanceof ControlError ? error.status : 500
      reply(response, status, { error: error instanceof Error ? error.message : String(error) })
    }
  }

  async #answer(request: IncomingMessage): Promise<unknown> {
    const cluster = this.#cluster
    if (cluster === undefined) throw new ControlError(503, 'The cluster is still starting. Try again.')
    // Browsers send an Origin: no web page may stop processes here.
    if (request.headers.origin !== undefined)
      throw new ControlError(403, 'Requests from web pages are refused.')
    const path = new URL(request.url ?? '/', this.url).pathname.split('/').slice(1).map(decoded)
    const route = `${request.method} ${path[0]}/${path.length}${path.length === 4 ? `/${path[3]}` : ''}`
    const [, region = '', name = ''] = path
    switch (route) {
      case 'GET state/1':
        return { ...cluster.state(), links: cluster.links(), dnsFaults: cluster.dnsFaults() }
      case 'POST links/3':
        return cluster.setLink(region, name, linkChanges(await readJson(request)))
      case 'POST dns/3':
        return cluster.setDns(region, name, checkedDnsChanges(await readJson(request)))
      case 'POST dns/2':
        return cluster.setDnsView(region, checkedDnsChanges(await readJson(request)))
      case 'POST processes/4/start':
        await cluster.startProcess(region, name)
        return cluster.state().regions.find((state) => state.name === region)
      case 'POST processes/4/stop':
        await cluster.stopProcess(region, name, stopSignal(await readJson(request)))
        return cluster.state().regions.find((state) => state.name === region)
      default:
        throw new ControlError(404, `There is no ${request.method} ${request.url}. There is ${usage}.`)
    }
  }
}

function decoded(segment: string): string {
  try {
    return decodeURIComponent(segment)
  } catch {
    throw new ControlError(400, `${segment} isn't a part of a URL.`)
  }
}

function reply(response: ServerResponse, status: number, body: unknown): void {
  response.writeHead(status, { 'content-type': 'application/json' })
  response.end(`${JSON.stringify(body)}\n`)
}

async function readJson(request: IncomingMessage): Promise<Record<string, unknown>> {
  const chunks: Buffer[] = []
  let bytes = 0
  for await (const chunk of request as AsyncIterable<Buffer>) {
    bytes += chunk.length
    if (bytes > bodyBytesMax) throw new ControlError(413, `The body is over ${bodyBytesMax} bytes.`)
    chunks.push(chunk)
  }
  const text = Buffer.concat(chunks).toString('utf8').trim()
  if (text === '') return {}
  try {
    const value: unknown = JSON.parse(text)
    if (typeof value === 'object' && value !== null && !Array.isArray(value))
      return value as Record<string, unknown>
  } catch {
    // Told below, like every other body that isn't an object.
  }
  throw new ControlError(400, 'The body must be a JSON object.')
}

function onlyFields(body: Record<string, unknown>, fields: readonly string[]): void {
  const unknown = Object.keys(body).find((field) => !fields.includes(field))
  if (unknown !== undefined)
    throw new ControlError(400, `There is no field ${unknown}; there are ${fields.join(', ')}.`)
}

/** Checks the body of `POST /links/<from>/<to>`; fields that are missing stay as they are. */
function linkChanges(body: Record<string, unknown>): Partial<LinkSettings> {
  onlyFields(body, ['delayMs', 'mode', 'bytesPerSecond'])
  const { delayMs, mode, bytesPerSecond } = body
  const changes: { delayMs?: number; mode?: LinkMode; bytesPerSecond?: number } = {}
  if (delayMs !== undefined) changes.delayMs = numberIn(delayMs, 'delayMs', delayMsMax)
  if (bytesPerSecond !== undefined) changes.bytesPerSecond = numberIn(bytesPerSecond, 'bytesPerSecond', 1e12)
  if (mode !== undefined) {
    const known = linkModes.find((one) => one === mode)
    if (known === undefined) throw new ControlError(400, `mode must be one of ${linkModes.join(', ')}.`)
    changes.mode = known
  }
  return changes
}

function checkedDnsChanges(body: Record<string, unknown>): Partial<DnsSettings> {
  try {
    return dnsChanges(body)
  } catch (error) {
    throw new ControlError(400, error instanceof Error ? error.message : String(error))
  }
}

function numberIn(value: unknown, field: string, max: number): number {
  if (typeof value === 'number' && value >= 0 && value <= max) return value
  throw new ControlError(400, `${field} must be a number from 0 to ${max}.`)
}

function stopSignal(body: Record<string, unknown>): NodeJS.Signals {
  onlyFields(body, ['signal'])
  const { signal = 'SIGTERM' } = body
  if (typeof signal === 'string' && signals.includes(signal)) return signal as NodeJS.Signals
  throw new ControlError(400, `signal must be one of ${signals.join(', ')}.`)
}
