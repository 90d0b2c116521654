import { once } from 'node:events'
import { createServer, type Socket } from 'node:net'
import { newcomer } from '../newcomer.ts'
import type { Row } from '../row.ts'
import { silenceFigures, silenceReadings } from './silence.ts'

const NEWCOMER = 'failed reads of a client that comes then'

/** Where the nearest sidecar was, something accepts connections, takes all bytes and says nothing. */
export const swallowingPort: Row = {
  name: 'swallowing-port',
  title: 'a port that swallows everything, in place of the nearest sidecar',
  pace: 'quick',
  figures: [...silenceFigures, { name: NEWCOMER, max: 0 }],
  async repeat(stage) {
    const { cluster } = stage
    const home = stage.inTurn(stage.replicas)
    const fromMs = stage.nowMs()
    await cluster.stopProcess(home, 'sidecar', 'SIGKILL')
    const { host, port } = cluster.layout.grpc(home, 0)
    const swallower = await swallow(host, port)
    try {
      const [readings, failed] = await Promise.all([
        silenceReadings(stage, home, fromMs, stage.nextRoundTripMs(home)),
        newcomer(stage, home),
      ])
      return { ...readings, [NEWCOMER]: failed }
    } finally {
      await swallower.close()
      await cluster.startProcess(home, 'sidecar')
    }
  },
}

async function swallow(host: string, port: number) {
  const sockets = new Set<Socket>()
  const server = createServer((socket) => {
    sockets.add(socket)
    socket.on('error', () => undefined)
    socket.on('close', () => sockets.delete(socket))
    socket.resume()
  })
  server.listen(port, host)
  await once(server, 'listening')
  return {
    async close() {
      for (const socket of sockets) socket.destroy()
      server.close()
      await once(server, 'close')
    },
  }
}
