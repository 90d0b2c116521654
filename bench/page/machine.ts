import { availableParallelism, cpus, release, totalmem } from 'node:os'

/** What the figures were measured on, as lines of a name and a value. */
export function machine(redis: string): readonly (readonly [name: string, value: string])[] {
  const gib = (totalmem() / 1_024 ** 3).toFixed(0)
  return [
    ['processor', `${cpus()[0]?.model ?? 'unknown'}, ${availableParallelism()} cores, ${gib} GiB`],
    ['system', `Linux ${release()}, Node ${process.versions.node}, Redis ${redis}`],
  ]
}
