import { parentPort, workerData } from 'node:worker_threads'
import { Network, type NetworkPlan } from './network.ts'
import { type NetworkReply, type NetworkRequest, startId } from './network-thread.ts'

const port = parentPort
if (port === null) throw new Error('network-main runs as a worker thread only')

const network = new Network(workerData as NetworkPlan)

async function answer(id: number, work: () => void | Promise<void>): Promise<void> {
  const reply: NetworkReply = await Promise.resolve()
    .then(work)
    .then(
      () => ({ id }),
      (error: unknown) => ({ id, error: error instanceof Error ? error.message : String(error) }),
    )
  port?.postMessage(reply)
}

function perform(request: NetworkRequest): void | Promise<void> {
  switch (request.kind) {
    case 'setLink':
      network.setLink(request.from, request.to, request.changes)
      return
    case 'setDns':
      network.setDns(request.from, request.to, request.changes)
      return
    case 'setServer':
      return network.setServer(request.address, request.runs)
    case 'close':
      return network.close()
  }
}

port.on('message', (request: NetworkRequest) => {
  void answer(request.id, () => perform(request)).then(() => {
    if (request.kind === 'close') port.close()
  })
})

void answer(startId, () => network.start())
