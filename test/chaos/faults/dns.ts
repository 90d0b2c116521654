import { type DnsSettings, trueDns } from '@perigee/local-cluster'
import { newcomer } from '../newcomer.ts'
import type { Disturbance, Row } from '../row.ts'
import { noVisitors, type Stage } from '../stage.ts'

const FAILED = 'failed calls'
const NEWCOMER = 'failed reads of a client that comes then'
const HOME = 'new address used'
/** Longer than names are remembered. */
const WATCHED_MS = 8_000
const STEADY_MS = 1_000
/** The last part of an address in a region where nobody listens. */
const NOBODY = 250

export const dnsRows: readonly Row[] = [
  {
    ...{ name: 'dns-nxdomain', title: 'DNS: NXDOMAIN, and the nearest sidecar dies', pace: 'quick' },
    figures: [{ name: FAILED, max: 0 }],
    repeat: (stage) => withoutNames(stage, { mode: 'nxdomain' }),
  },
  {
    ...{ name: 'dns-timeout', title: 'DNS: no answer, and the nearest sidecar dies', pace: 'quick' },
    figures: [{ name: FAILED, max: 0 }],
    repeat: (stage) => withoutNames(stage, { mode: 'silent' }),
  },
  {
    ...{ name: 'dns-stale', title: 'DNS: a stale address, where nobody is', pace: 'quick' },
    figures: [
      { name: FAILED, max: 0 },
      { name: NEWCOMER, max: 0 },
    ],
    async repeat(stage) {
      const home = stage.inTurn(stage.replicas)
      const fromMs = stage.nowMs()
      await stage.cluster.setDns(home, home, {
        addresses: [`${stage.cluster.layout.prefix(home)}.${NOBODY}`],
      })
      try {
        const failed = await newcomer(stage, home)
        const calls = (await stage.watch(fromMs, WATCHED_MS)).in(home)
        return { [FAILED]: stage.told(calls.failed), [NEWCOMER]: failed }
      } finally {
        await stage.cluster.setDns(home, home, trueDns)
      }
    },
  },
  {
    ...{ name: 'dns-changed', title: 'DNS: a changed address, and the old one dies', pace: 'quick' },
    cluster: { sidecars: 2 },
    figures: [
      { name: HOME, unit: 's', max: 5_000 },
      { name: FAILED, max: 0 },
    ],
    /** Names lead to the first sidecar alone. */
    async arrange(stage) {
      for (const region of stage.replicas) await nameOnly(stage, region, 0)
      return noVisitors
    },
    async repeat(stage) {
      const home = stage.inTurn(stage.replicas)
      const fromMs = stage.nowMs()
      await nameOnly(stage, home, 1)
      await stage.cluster.stopProcess(home, 'sidecar', 'SIGKILL')
      await stage.until('calls to be answered at home', fromMs, (calls) => {
        return calls.in(home).gets.begunAfter(fromMs).answeredBy(home).count > 3
      })
      const homeMs = stage.nowMs() - fromMs
      const calls = (await stage.watch(fromMs, homeMs + STEADY_MS)).in(home)
      await stage.cluster.startProcess(home, 'sidecar')
      const back = calls.reads.begunAfter(fromMs).answeredBy(home)
      return { [HOME]: back.firstEndMs - fromMs, [FAILED]: calls.failed.count }
    },
  },
]

async function withoutNames(stage: Stage, changes: Partial<DnsSettings>) {
  const { cluster } = stage
  const home = stage.inTurn(stage.replicas)
  const fromMs = stage.nowMs()
  await cluster.setDnsView(home, changes)
  try {
    await cluster.stopProcess(home, 'sidecar', 'SIGKILL')
    const calls = (await stage.watch(fromMs, WATCHED_MS)).in(home)
    return { [FAILED]: calls.failed.count }
  } finally {
    await cluster.startProcess(home, 'sidecar')
    await cluster.setDnsView(home, trueDns)
  }
}

/** In the region itself its name leads to one of its sidecars alone. */
async function nameOnly(stage: Stage, region: string, sidecar: number): Promise<void> {
  const { cluster } = stage
  await cluster.setDns(region, region, { addresses: [cluster.layout.grpc(region, sidecar).host] })
}

export const losesNames: Disturbance = {
  label: 'DNS silent',
  lastsMs: 8_000,
  async begin(stage) {
    const region = stage.oneOf(stage.regions)
    stage.note(`DNS is silent in ${region}`)
    await stage.cluster.setDnsView(region, { mode: 'silent' })
    return async () => {
      await stage.cluster.setDnsView(region, trueDns)
    }
  },
}
