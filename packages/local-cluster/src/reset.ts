import type { Socket } from 'node:net'

/**
 * Resets a connection, or only drops it while its own end is still being sent: then Node's reset fails (EINVAL) and leaves
 * a handle that nothing can close any more, and a thread with such a handle never ends.
 */
export function reset(socket: Socket): void {
  const ending = socket.writableEnded && !socket.writableFinished
  if (ending) socket.destroy()
  else socket.resetAndDestroy()
}
