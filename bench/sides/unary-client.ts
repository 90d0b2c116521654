import { Client, credentials, Metadata, type MethodDefinition } from '@grpc/grpc-js'

const DEADLINE_MS = 10_000

/** Plain grpc-js to one address: what a service without the SDK would use. */
export class UnaryClient {
  readonly #client: Client

  constructor(address: string) {
    this.#client = new Client(address, credentials.createInsecure(), { 'grpc.use_local_subchannel_pool': 1 })
  }

  /** One call with a deadline. */
  call<In, Out>(method: MethodDefinition<In, Out>, request: In): Promise<Out> {
    return new Promise((resolve, reject) => {
      this.#client.makeUnaryRequest(
        method.path,
        method.requestSerialize,
        method.responseDeserialize,
        request,
        new Metadata(),
        { deadline: Date.now() + DEADLINE_MS },
        (error, response) => {
          if (error) reject(error)
          else if (response === undefined) reject(new Error('an answer without a message'))
          else resolve(response)
        },
      )
    })
  }

  close(): void {
    this.#client.close()
  }
}
