// Which region was the primary outlasts a cluster whose folder is kept: started anew as anybody else's replica, its Redis
// would lose what only it has.

import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

const file = 'last-primary'

/** The region that was the primary when the folder was last in use, if it is one of these. */
export function rememberedPrimary(dir: string, regions: readonly string[]): string | undefined {
  try {
    const name = readFileSync(join(dir, file), 'utf8').trim()
    return regions.find((region) => region === name)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw error
  }
}

export function rememberPrimary(dir: string, region: string): void {
  writeFileSync(join(dir, file), `${region}\n`)
}
