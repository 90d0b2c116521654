import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

/** Keeps two clusters from using one folder at a time, whose data they would destroy. */
export class FolderLock {
  readonly #path: string

  private constructor(path: string) {
    this.#path = path
  }

  /** Takes the folder, making it if need be; throws if a living process has it. */
  static take(folder: string): FolderLock {
    mkdirSync(folder, { recursive: true })
    const path = join(folder, 'cluster.lock')
    for (;;) {
      try {
        writeFileSync(path, String(process.pid), { flag: 'wx' })
        return new FolderLock(path)
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
      }
      const owner = Number(readFileSync(path, 'utf8'))
      if (owner > 0 && lives(owner)) {
        throw new Error(
          `${folder} is in use by the cluster of process ${owner}. Stop it, or give another folder (--dir).`,
        )
      }
      rmSync(path, { force: true })
    }
  }

  release(): void {
    rmSync(this.#path, { force: true })
  }
}

function lives(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM'
  }
}
