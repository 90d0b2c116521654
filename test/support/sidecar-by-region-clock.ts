// A sidecar whose clock is as wrong as its region's: see LocalCluster.setClock. Only what tells the time of day is moved, as
// when a machine's clock is set; timers and all that measures time go on.

import { readFileSync } from 'node:fs'
import { findPackageJSON } from 'node:module'
import { dirname, join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { regionClockFile } from '@perigee/local-cluster'

const LOOK_EVERY_MS = 20

const RealDate = Date
let offsetMs = 0

function look(): void {
  // A cluster runs its sidecars in their region's folder.
  offsetMs = Number(readFileSync(regionClockFile, 'utf8')) * 1_000
}

class RegionDate extends RealDate {
  constructor(...args: unknown[]) {
    if (args.length === 0) super(RegionDate.now())
    else super(...(args as [number]))
  }

  static override now(): number {
    return RealDate.now() + offsetMs
  }
}

look()
setInterval(look, LOOK_EVERY_MS).unref()
globalThis.Date = RegionDate as DateConstructor

const manifest = findPackageJSON('@perigee/sidecar', import.meta.url)
if (manifest === undefined) throw new Error("The sidecar isn't installed. Run `npm install`.")
await import(pathToFileURL(join(dirname(manifest), 'dist/main.js')).href)
