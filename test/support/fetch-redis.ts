import { findRedis } from '@perigee/embedded-redis'

/** Runs once before all tests, so that no test's own time goes into fetching Redis on a bare machine. */
export default async function fetchRedis(): Promise<void> {
  await findRedis({ onProgress: (message) => process.stderr.write(`${message}\n`) })
}
