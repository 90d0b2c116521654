import { createServer, type IncomingMessage } from 'node:http'
import { text } from 'node:stream/consumers'
import { Perigee, PerigeeError, runWithSession, sessionFromCookie, sessionToCookie } from '@perigee/sdk'

const perigee = await Perigee.connect({
  domain: 'rag.internal',
  regions: ['us-east-1', 'eu-west-1'],
  dns: process.env.PERIGEE_DNS, // the system's, unless it is given
})
const notes = perigee.cache<string>('notes') // opened once: each call belongs to the session it is made in

async function answer(request: IncomingMessage): Promise<string> {
  const key = request.url ?? '/'
  if (request.method === 'PUT') await notes.set(key, await text(request))
  return (await notes.get(key)) ?? ''
}

const server = createServer(async (request, response) => {
  const session = perigee.session(sessionFromCookie(request.headers))
  try {
    const body = await runWithSession(session, () => answer(request))
    response.setHeader('set-cookie', sessionToCookie(session) ?? [])
    response.end(body)
  } catch (error) {
    const { reason, code } = PerigeeError.from(error)
    if (reason === 'LOST_HISTORY') {
      session.acceptLoss() // the next request goes on with what survives
      response.setHeader('set-cookie', sessionToCookie(session) ?? [])
      response.writeHead(409).end('Your latest changes were lost: please look, and make them again.')
    } else if (reason === 'INVALID_TOKEN') {
      response.setHeader('set-cookie', sessionToCookie(session, { maxAgeSeconds: 0 }) ?? []) // another cluster's
      response.writeHead(400).end('Please try again.')
    } else {
      response.writeHead(code === 'UNAVAILABLE' ? 503 : 500).end('Please try again later.')
    }
  }
})
server.listen(Number(process.env.PORT), '127.0.0.1')

process.once('SIGTERM', async () => {
  server.close()
  await perigee.close()
})
