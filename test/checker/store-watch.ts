import type { LocalCluster } from '@perigee/local-cluster'
import { AppendOnlyFile } from './append-only-file.ts'
import { NAMESPACE } from './driven-session.ts'
import type { Recorder } from './recorder.ts'

/** Less than it takes a Redis that is told to copy another one to throw its own files away. */
const EVERY_MS = 200

/** Takes down what every data Redis does, while it does it: what a fault destroys later is known by then. */
export class StoreWatch {
  readonly #files: ReadonlyMap<string, AppendOnlyFile>
  #recorder: Recorder
  #timer: NodeJS.Timeout | undefined
  #writes = 0

  constructor(cluster: LocalCluster, recorder: Recorder) {
    this.#recorder = recorder
    const regions = cluster.state().regions.map(({ name }) => name)
    const fileOf = (region: string) =>
      new AppendOnlyFile({
        dir: cluster.dataRedis(region).dir,
        source: `the append-only file of ${region}`,
        namespace: NAMESPACE,
      })
    this.#files = new Map(regions.map((region) => [region, fileOf(region)]))
  }

  start(): void {
    this.#timer = setInterval(() => {
      for (const region of this.#files.keys()) this.read(region)
    }, EVERY_MS)
  }

  /** Writes what is yet to come down elsewhere. */
  recordIn(recorder: Recorder): void {
    this.#recorder = recorder
    this.#writes = 0
  }

  stop(): void {
    clearInterval(this.#timer)
  }

  /** Reads all once more. @throws Error when there never was a write: then nothing can be judged. */
  finish(): void {
    for (const region of this.#files.keys()) this.read(region)
    if (this.#writes === 0) throw new Error("no write was found in any region's append-only file")
  }

  /** Takes down what a region's data Redis has on disk now. */
  read(region: string): void {
    const { writes, claims } = this.#files.get(region)?.news() ?? { writes: [], claims: [] }
    this.#writes += writes.length
    this.#recorder.stored(writes, claims)
  }
}
