// A whole cluster on one machine: real servers for every region, and between regions a network with real distances.
// Everything between regions goes through a relay; see docs/architecture.md.
//
// Nothing of it outlives this process: servers and temporary folders are guarded (see embedded-redis), the network is a
// thread. A server that was killed stays dead until it is started again.

import { execFile } from 'node:child_process'
import { mkdirSync, rmSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import { promisify } from 'node:util'
import {
  findRedis,
  type RedisInstallation,
  type RedisProcess,
  removeTemporaryFolder,
  type ServerProcess,
  temporaryFolder,
} from '@perigee/embedded-redis'
import { type Claimed, claimAddresses } from './claim-addresses.ts'
import { type ClusterCertificates, makeCertificates } from './cluster-certificates.ts'
import { type ClusterSettings, clusterSettings, type LocalClusterOptions } from './cluster-options.ts'
import { type ClusterState, type ProcessName, writeStateFile } from './cluster-state.ts'
import { ControlError, type ControlServer, type DnsState, type LinkState } from './control-server.ts'
import { type Credentials, readOrMakeCredentials } from './credentials.ts'
import { primaryByRole, primaryBySentinels } from './current-primary.ts'
import { aofBytes, type RestartOptions, restartWith, takeSnapshot } from './data-loss.ts'
import { type DnsSettings, trueDns } from './dns-fault.ts'
import { FolderLock } from './folder-lock.ts'
import { rememberPrimary } from './last-primary.ts'
import type { Layout } from './layout.ts'
import type { LinkSettings } from './link.ts'
import { planNetwork } from './network-plan.ts'
import { NetworkThread } from './network-thread.ts'
import { LocalRegion, UnknownProcessError } from './region.ts'
import { setRegionClock } from './region-clock.ts'
import { SidecarProcess, type SidecarVariant } from './sidecar-process.ts'

const run = promisify(execFile)

const watchEveryMs = 500

/**
 * Regions on this machine.
 *
 * ```ts
 * await using cluster = await LocalCluster.start()
 * await cluster.setLink('us-east-1', 'eu-west-1', { mode: 'cut' })
 * await cluster.stopProcess('eu-west-1', 'sidecar', 'SIGKILL')
 * ```
 */
export class LocalCluster {
  readonly layout: Layout
  readonly domain: string
  /** Folder of data and logs. */
  readonly dir: string
  readonly stateFile: string
  /** The file of {@link credentials}, readable by this user of the machine alone. */
  readonly credentialsFile: string
  /** Passwords of the users of data Redis and Sentinels. */
  readonly credentials: Credentials
  readonly #settings: ClusterSettings
  readonly #control: ControlServer
  readonly #lock: FolderLock | undefined
  readonly #links: Map<string, LinkState>
  readonly #dns = new Map<string, DnsState>()
  #certificates: ClusterCertificates | undefined
  #regions: readonly LocalRegion[] = []
  #network: NetworkThread | undefined
  #primary: string
  #watch: NodeJS.Timeout | undefined
  #started = false
  #stopped: Promise<void> | undefined

  private constructor(settings: ClusterSettings, { layout, control }: Claimed) {
    this.layout = layout
    this.#primary = settings.primary
    this.domain = settings.domain
    this.#settings = settings
    this.#control = control
    this.#lock = settings.dir === undefined ? undefined : FolderLock.take(resolve(settings.dir))
    this.dir = settings.dir === undefined ? temporaryFolder() : resolve(settings.dir)
    this.stateFile = resolve(settings.stateFile ?? join(this.dir, 'perigee.json'))
    this.credentialsFile = join(this.dir, 'credentials.json')
    this.credentials = readOrMakeCredentials(this.credentialsFile)
    const { links } = planNetwork(layout, settings)
    this.#links = new Map(links.map((link) => [`${link.from} ${link.to}`, link]))
  }

  /** Starts a cluster and waits until every part of it can be used. On failure nothing of it is left. */
  static async start(options: LocalClusterOptions = {}): Promise<LocalCluster> {
    const settings = clusterSettings(options)
    const { onProgress } = options
    const installation = await findRedis(onProgress === undefined ? {} : { onProgress })
    const claimed = await claimAddresses(settings)
    let cluster: LocalCluster | undefined
    try {
      cluster = new LocalCluster(settings, claimed)
      await cluster.#start(installation)
      return cluster
    } catch (error) {
      await (cluster === undefined ? claimed.control.close() : cluster.stop())
      throw error
    }
  }

  /** The region whose data Redis takes writes: that of the configuration, until a failover chooses another. */
  get primary(): string {
    return this.#primary
  }

  /** Addresses and process ids, as the state file has them. */
  state(): ClusterState {
    return {
      domain: this.domain,
      primary: this.primary,
      control: this.#control.url,
      regions: this.#regions.map((region) => region.state()),
      credentials: this.credentialsFile,
      ...(this.#certificates && {
        tls: {
          ca: this.#certificates.ca,
          cert: this.#certificates.client.cert,
          key: this.#certificates.client.key,
        },
      }),
    }
  }

  links(): readonly LinkState[] {
    return [...this.#links.values()]
  }

  /** Changes one direction between two regions: what isn't given stays. In force when it resolves. */
  async setLink(from: string, to: string, changes: Partial<LinkSettings>): Promise<LinkState> {
    this.#region(from)
    this.#region(to)
    const link = this.#links.get(`${from} ${to}`)
    if (link === undefined || this.#network === undefined)
      throw new ControlError(404, `There is no link from ${from} to itself.`)
    const changed = { ...link, ...changes }
    this.#links.set(`${from} ${to}`, changed)
    await this.#network.setLink(from, to, changes)
    return changed
  }

  /** Changes all links of one region, in both directions: with `{ mode: 'cut' }` it is cut off. */
  async setLinks(region: string, changes: Partial<LinkSettings>): Promise<void> {
    this.#region(region)
    const touching = this.links().filter(({ from, to }) => from === region || to === region)
    await Promise.all(touching.map(({ from, to }) => this.setLink(from, to, changes)))
  }

  /**
   * Changes how the name of region `to` is answered in region `from`: what isn't given stays. In force when it resolves.
   * `setDns(from, to, trueDns)` mends it.
   */
  async setDns(from: string, to: string, changes: Partial<DnsSettings>): Promise<DnsState> {
    this.#region(from)
    this.#region(to)
    const key = `${from} ${to}`
    const changed = { ...trueDns, from, to, ...this.#dns.get(key), ...changes }
    this.#dns.set(key, changed)
    await this.#network?.setDns(from, to, changes)
    return changed
  }

  /** Changes how the names of all regions are answered in region `from`: see {@link setDns}. */
  async setDnsView(from: string, changes: Partial<DnsSettings>): Promise<readonly DnsState[]> {
    return Promise.all(this.layout.regions.map((to) => this.setDns(from, to, changes)))
  }

  /** Names that aren't answered truly. */
  dnsFaults(): readonly DnsState[] {
    const spoiled = ({ mode, addresses, services, delayMs }: DnsState) =>
      mode !== 'answer' || addresses !== null || services !== null || delayMs > 0
    return [...this.#dns.values()].filter(spoiled)
  }

  /**
   * Starts a process that ended, and waits until it can be used.
   *
   * A variant is for sidecars: this start and all later ones of that one sidecar differ in it from the cluster's others,
   * until another variant is given; `{}` makes it like the others again.
   */
  async startProcess(region: string, name: string, variant?: SidecarVariant): Promise<void> {
    const server = this.#process(region, name)
    if (variant !== undefined) {
      if (!(server instanceof SidecarProcess)) throw new ControlError(400, `${name} has no variants.`)
      if (server.running) throw new ControlError(409, `${name} of ${region} runs: stop it first.`)
      server.vary(variant)
    }
    await server.start()
    await this.#noteServer(region, name)
  }

  /**
   * Sends a process a signal: SIGTERM, the default, and SIGKILL resolve when it has ended, others at once. It stays dead
   * until {@link startProcess}.
   */
  async stopProcess(region: string, name: string, signal: NodeJS.Signals = 'SIGTERM'): Promise<void> {
    const server = this.#process(region, name)
    if (!server.running) throw new ControlError(409, `${name} of ${region} doesn't run.`)
    await (signal === 'SIGTERM' ? server.stop() : server.kill(signal))
    await this.#noteServer(region, name)
  }

  /** A region's data Redis itself, not its relay: `command` asks it what it holds, as the user `admin`. */
  dataRedis(region: string): RedisProcess {
    return this.#region(region).redis('dataRedis')
  }

  /**
   * Kills a region's data Redis and starts it again at once, as a supervisor does, with all or a part of its data: see
   * {@link AofFate}. Resolves when it answers. A test aid.
   */
  async restartRedis(region: string, options: RestartOptions): Promise<void> {
    await restartWith(this.dataRedis(region), options)
    await this.#noteServer(region, 'dataRedis')
  }

  /** Keeps a copy of what a region's data Redis has now, for {@link restartRedis} with `aof: 'older'`. A test aid. */
  async snapshotRedis(region: string): Promise<void> {
    await takeSnapshot(this.dataRedis(region))
  }

  /** How long the append-only file of a region's data Redis is now, for {@link restartRedis} with `keepBytes`. A test aid. */
  aofBytes(region: string): number {
    return aofBytes(this.dataRedis(region))
  }

  /**
   * Lets no file of a region's data Redis grow beyond so many bytes, as when its disk is full; undefined: any size. In force
   * until it is started again. Needs the option `fileLimits`. A test aid.
   */
  async limitFiles(region: string, bytes: number | undefined): Promise<void> {
    if (!this.#settings.fileLimits) throw new Error('start the cluster with `fileLimits: true`')
    const limit = bytes ?? 'unlimited'
    await run('prlimit', ['--pid', String(this.dataRedis(region).pid), `--fsize=${limit}:unlimited`])
  }

  /**
   * Sets the clock of a region off by so many milliseconds from now on; 0: right. Its Redis and Sentinel go by it, and what
   * else reads {@link regionClockFile}. Needs the option `clockLibrary`. A test aid.
   */
  setClock(region: string, offsetMs: number): void {
    if (this.#settings.clockLibrary === undefined) throw new Error('start the cluster with `clockLibrary`')
    setRegionClock(join(this.dir, region), offsetMs)
  }

  indexRedis(region: string): RedisProcess {
    return this.#region(region).redis('indexRedis')
  }

  sentinel(region: string): RedisProcess {
    return this.#region(region).redis('sentinel')
  }

  /** The end of a process's log. */
  logTail(region: string, name: string): string {
    return this.#process(region, name).logTail()
  }

  /**
   * Ends everything. A temporary folder goes, and so all processes are killed at once; with a folder that is kept they end
   * in order, and only the state file goes.
   */
  stop(): Promise<void> {
    this.#stopped ??= this.#stop()
    return this.#stopped
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop()
  }

  async #start(installation: RedisInstallation): Promise<void> {
    mkdirSync(dirname(this.stateFile), { recursive: true })
    if (this.#settings.tls) this.#certificates = await makeCertificates(this.dir, this)
    this.#regions = this.layout.regions.map((name) => this.#makeRegion(name, installation))
    // A replica that finds no primary tries again only after a second: so the primary comes first.
    const primary = this.#process(this.primary, 'dataRedis').start()
    primary.catch(() => {})
    this.#network = await NetworkThread.start(planNetwork(this.layout, this.#settings))
    await primary
    await Promise.all(this.#regions.map((region) => region.start()))
    this.#started = true
    rememberPrimary(this.dir, this.#primary)
    this.#watchPrimary()
    this.#tell()
    this.#control.serve(this)
  }

  #makeRegion(name: string, installation: RedisInstallation): LocalRegion {
    const { layout, dir, credentials } = this
    const certificates = this.#certificates
    if (this.#settings.clockLibrary !== undefined) setRegionClock(join(dir, name), 0)
    const region = new LocalRegion({
      ...this.#settings,
      ...{ name, layout, installation, dir, credentials, certificates },
    })
    for (const [process, server] of region.processes) {
      for (const event of ['start', 'exit'] as const) {
        server.on(event, () => {
          this.#tell()
          this.#noteServer(name, process).catch(() => {})
        })
      }
    }
    return region
  }

  /** Looks now and then who the primary is: what chooses it tells nobody. */
  #watchPrimary(): void {
    this.#watch = setTimeout(async () => {
      const servers = this.#regions.map((region) => region.servers())
      const found =
        this.#settings.topology === 'sentinel'
          ? await primaryBySentinels(servers)
          : await primaryByRole(servers, this.#primary)
      if (!this.#started) return
      if (found !== undefined && found !== this.#primary) {
        this.#primary = found
        rememberPrimary(this.dir, found)
        this.#tell()
      }
      this.#watchPrimary()
    }, watchEveryMs).unref()
  }

  async #stop(): Promise<void> {
    this.#started = false
    clearTimeout(this.#watch)
    await this.#control.close()
    if (this.#lock === undefined) await Promise.all(this.#regions.map((region) => region.kill()))
    else await this.#stopInOrder()
    await this.#network?.close()
    rmSync(this.stateFile, { force: true })
    this.#lock?.release()
    if (this.#lock === undefined) await removeTemporaryFolder(this.dir)
  }

  /** So that nothing is lost of data that is kept. The primary goes last: it would wait for replicas that still run. */
  async #stopInOrder(): Promise<void> {
    await Promise.all(this.#regions.map((region) => region.stopWatchers()))
    const [replicas, primary] = [true, false].map((isReplica) =>
      this.#regions.filter(({ name }) => (name !== this.primary) === isReplica),
    )
    for (const regions of [replicas, primary])
      await Promise.all(regions?.map((region) => region.stopRedis()) ?? [])
  }

  /** Lets the relays to a process listen while it runs, and only then. */
  async #noteServer(region: string, name: string): Promise<void> {
    if (!this.#started) return
    const address = this.#region(region).address(name as ProcessName)
    if (address !== undefined) await this.#network?.setServer(address, this.#process(region, name).running)
  }

  /** Keeps the state file true. */
  #tell(): void {
    if (this.#started) writeStateFile(this.stateFile, this.state())
  }

  #region(name: string): LocalRegion {
    const region = this.#regions.find((one) => one.name === name)
    if (region !== undefined) return region
    throw new ControlError(404, `There is no region ${name}; there are ${this.layout.regions.join(', ')}.`)
  }

  #process(region: string, name: string): ServerProcess {
    try {
      return this.#region(region).process(name)
    } catch (error) {
      throw error instanceof UnknownProcessError ? new ControlError(404, error.message) : error
    }
  }
}
