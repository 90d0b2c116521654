import { keepWholeLife, type Scene } from './scene.ts'

/** One disturbance from its beginning to its mending. */
export type Fault = (scene: Scene) => Promise<void>

/** The primary's data Redis dies, another region takes over, and the old one comes back as a replica. */
export const failover: Fault = async (scene) => {
  const old = scene.primary
  scene.note(`the data Redis of ${old}, the primary, is killed`)
  await scene.kill(old)
  await takeOver(scene, old)
}

/**
 * The same, after the primary took writes that no replica has: for less than a lease nothing left its region, or nothing
 * seemed to be wrong, but nothing arrived.
 */
export const lostTail: Fault = async (scene) => {
  const { cluster } = scene
  const old = scene.primary
  const mode = scene.oneOf(['cut', 'stall'] as const)
  scene.note(`the data Redis of ${old}, the primary, takes writes while all is ${mode}, and is killed`)
  await cluster.setLinks(old, { mode })
  await scene.acknowledged(scene.between(20, 60), 1_800)
  await scene.kill(old)
  // What was held up is gone with it.
  await cluster.setLinks(old, { mode: 'cut' })
  await cluster.setLinks(old, { mode: 'open' })
  await takeOver(scene, old)
}

async function takeOver(scene: Scene, old: string): Promise<void> {
  await scene.takenOverFrom(old)
  await scene.pause(500, 3_000)
  await scene.start(old)
  scene.note(`the data Redis of ${old} is back`)
}

/** The primary's data Redis dies and is started again at once, with less than it had. */
export const restart: Fault = async (scene) => {
  const { cluster } = scene
  const old = scene.primary
  const what = scene.oneOf(['cut', 'older', 'empty'] as const)
  if (what === 'older') {
    await cluster.snapshotRedis(old)
    await scene.pause(500, 3_000)
  }
  scene.note(`the data Redis of ${old}, the primary, is killed and started again: ${what}`)
  await scene.kill(old)
  const fate = what === 'cut' ? { aof: what, cutBytes: scene.between(1, 100_000) } : ({ aof: what } as const)
  await cluster.restartRedis(old, fate)
  await keepWholeLife(cluster, old)
}

/** The primary's data Redis stops in the midst of its work; when another region has taken over, it goes on. */
export const pauseRedis: Fault = async (scene) => {
  const { cluster } = scene
  const old = scene.primary
  scene.note(`the data Redis of ${old}, the primary, is paused`)
  await scene.freeze(old)
  try {
    await scene.takenOverFrom(old)
    await scene.pause(0, 3_000)
  } finally {
    await cluster.stopProcess(old, 'dataRedis', 'SIGCONT')
  }
  scene.note(`the data Redis of ${old} goes on`)
}

/** The primary's Redis stops, then its sidecar, as when a machine freezes; when another region has taken over, both go on. */
export const freeze: Fault = async (scene) => {
  const { cluster } = scene
  const old = scene.primary
  const { epoch } = scene
  scene.note(`data Redis and sidecar of ${old}, the primary, freeze`)
  // Soon taken over: clients ask a region that was silent for long ever more seldom.
  await scene.weather.lull(20)
  await scene.freeze(old)
  await cluster.stopProcess(old, 'sidecar', 'SIGSTOP')
  try {
    await scene.takenOverFrom(old)
    await scene.epochAfter(epoch)
    await scene.weather.lull()
    await scene.pause(0, 2_000)
  } finally {
    await cluster.stopProcess(old, 'dataRedis', 'SIGCONT')
    await cluster.stopProcess(old, 'sidecar', 'SIGCONT')
  }
  scene.note(`data Redis and sidecar of ${old} go on`)
}

/** A pause that is shorter than it takes to be declared down, but longer than a lease. */
export const pauseRedisShortly: Fault = async (scene) => {
  const old = scene.primary
  scene.note(`the data Redis of ${old}, the primary, is paused shortly`)
  await scene.freeze(old)
  await scene.pause(1_000, 2_800)
  await scene.cluster.stopProcess(old, 'dataRedis', 'SIGCONT')
}

/** The primary's sidecar stops in the midst of its work, longer than its lease. */
export const pauseSidecar: Fault = async (scene) => {
  const region = scene.primary
  scene.note(`the sidecar of ${region}, the primary, is paused`)
  await scene.cluster.stopProcess(region, 'sidecar', 'SIGSTOP')
  await scene.pause(2_500, 6_000)
  await scene.cluster.stopProcess(region, 'sidecar', 'SIGCONT')
  scene.note(`the sidecar of ${region} goes on`)
}

/** The primary's region is cut off from the others, which take over; then it is back. */
export const cutOff: Fault = async (scene) => {
  const old = scene.primary
  const { epoch } = scene
  scene.note(`${old}, the primary, is cut off`)
  // Two Sentinels are left, which would vote for themselves again and again if they heard of each other late.
  await scene.weather.lull(20)
  await scene.cluster.setLinks(old, { mode: 'cut' })
  try {
    await scene.takenOverFrom(old)
    await scene.epochAfter(epoch)
    await scene.weather.lull()
    await scene.pause(0, 3_000)
  } finally {
    await scene.cluster.setLinks(old, { mode: 'open' })
  }
  scene.note(`${old} is back`)
}

/** An operator orders a failover though nothing is wrong. */
export const byHand: Fault = async (scene) => {
  const old = scene.primary
  scene.note(`a failover from ${old} is ordered by hand`)
  await scene.cluster.sentinel(old).command('SENTINEL', 'FAILOVER', 'pg')
  await scene.takenOverFrom(old)
}

/**
 * Where there is no Sentinel: the primary takes writes that no replica gets, dies, and an operator promotes another region
 * by force.
 */
export const force: Fault = async (scene) => {
  const { cluster } = scene
  const old = scene.primary
  const next = scene.oneOf(scene.regions.filter((region) => region !== old))
  scene.note(`${old}, the primary, is cut off, takes writes and dies; ${next} is promoted by force`)
  await cluster.setLinks(old, { mode: 'cut' })
  await scene.acknowledged(scene.between(5, 50), 10_000)
  await scene.kill(old)
  await scene.promote(next)
  await scene.takenOverFrom(old)
  await scene.pause(0, 3_000)
  await cluster.setLinks(old, { mode: 'open' })
  await scene.start(old)
  scene.note(`${old} is back`)
}

/** A process that isn't the truth's keeper dies and is started again: a sidecar, an index Redis, a replica. */
export const crash: Fault = async (scene) => {
  const { cluster, regions, primary } = scene
  const name = scene.oneOf(['sidecar', 'indexRedis', 'dataRedis'] as const)
  const region = scene.oneOf(name === 'dataRedis' ? regions.filter((one) => one !== primary) : regions)
  scene.note(`${name} of ${region} is killed and started again`)
  if (name === 'dataRedis') {
    await scene.kill(region)
    await scene.start(region)
    return
  }
  await cluster.stopProcess(region, name, 'SIGKILL')
  await scene.pause(0, 1_000)
  await cluster.startProcess(region, name)
}
