import { randomInt } from 'node:crypto'
import type { ClusterSettings } from './cluster-options.ts'
import { ControlServer } from './control-server.ts'
import { Layout } from './layout.ts'

/** Addresses that are this cluster's for as long as its control port listens. */
export interface Claimed {
  readonly layout: Layout
  readonly control: ControlServer
}

const attempts = 100

/** Takes the subnet asked for, or a random free one. */
export async function claimAddresses(settings: ClusterSettings): Promise<Claimed> {
  if (settings.subnet !== undefined) return claim(settings, settings.subnet)
  for (let attempt = 1; ; attempt++) {
    try {
      return await claim(settings, randomInt(1, 255))
    } catch (error) {
      if (attempt === attempts) throw error
    }
  }
}

async function claim(settings: ClusterSettings, subnet: number): Promise<Claimed> {
  const layout = new Layout({ ...settings, subnet })
  const control = new ControlServer(layout.control)
  await control.listen()
  return { layout, control }
}
