import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { ConfigError, readConfig, SETTING_VARIABLES } from './config.ts'
import { printedConfig } from './printed-config.ts'

const REQUIRED = {
  PERIGEE_REGION: 'eu-west-1',
  PERIGEE_REGIONS: 'us-east-1, eu-west-1',
  PERIGEE_PRIMARY: 'us-east-1',
  PERIGEE_DATA_REDIS: 'redis://sidecar:secret@127.0.0.1:6379',
  PERIGEE_INDEX_REDIS: 'redis://127.0.0.1:6380',
  PERIGEE_INSECURE: 'true',
}

function problemsOf(args: string[], environment: Record<string, string>): string[] {
  try {
    readConfig(args, environment)
  } catch (error) {
    if (error instanceof ConfigError) return error.message.split('\n')
    throw error
  }
  return []
}

it('reads what is required from the environment, and knows the rest', () => {
  const config = readConfig([], { ...REQUIRED, PATH: '/bin' })
  expect(config).toMatchObject({
    ...{ region: 'eu-west-1', regions: ['us-east-1', 'eu-west-1'], primary: 'us-east-1', topology: 'static' },
    ...{ grpcListen: '0.0.0.0:7700', httpListen: '0.0.0.0:7701', prefix: 'pg', leaseMs: 2000, maxWaitMs: 50 },
  })
  expect(config.limits.keyBytesMax).toBe(1024)
  expect([...config.peers]).toEqual([['us-east-1', ['api.us-east-1.rag.internal:7700']]])
  expect(Object.isFrozen(config)).toBe(true)
})

it('takes Sentinels instead of a primary, and hides their passwords', () => {
  const { PERIGEE_PRIMARY: _, ...rest } = REQUIRED
  const config = readConfig([], {
    ...rest,
    PERIGEE_TOPOLOGY: 'sentinel',
    PERIGEE_SENTINELS: 'redis://sidecar:secret@127.0.0.1:26379, redis://127.0.0.2:26379',
  })
  expect(config).toMatchObject({ primary: undefined, sentinelName: 'pg', sentinels: { length: 2 } })
  expect(config.dataRedisAddress).toBe('127.0.0.1:6379')
  expect(printedConfig(config)).not.toContain('secret')
})

it('reports what a topology lacks together with everything else', () => {
  const { PERIGEE_PRIMARY: _, ...rest } = REQUIRED
  expect(problemsOf([], { ...rest, PERIGEE_RENEW_MS: '1500' })).toEqual([
    expect.stringContaining('PERIGEE_PRIMARY is required'),
    expect.stringContaining('at most half'),
  ])
  const sentinels = 'redis://a@127.0.0.1:1,redis://b@127.0.0.1:1'
  const twice = { ...rest, PERIGEE_TOPOLOGY: 'sentinel', PERIGEE_SENTINELS: sentinels }
  expect(problemsOf([], twice)).toEqual([expect.stringContaining('names one twice')])
  const external = { ...rest, PERIGEE_TOPOLOGY: 'external', PERIGEE_GATE_USER: 'replica' }
  expect(problemsOf([], external)).toEqual([expect.stringContaining('PERIGEE_GATE_USER')])
})

it('lets flags win over the environment', () => {
  const config = readConfig(['--grpc-listen', '127.0.0.1:0', '--key-bytes-max=10'], {
    ...REQUIRED,
    PERIGEE_KEY_BYTES_MAX: '20',
  })
  expect(config.grpcListen).toBe('127.0.0.1:0')
  expect(config.limits.keyBytesMax).toBe(10)
})

it('keeps all addresses of a peer region', () => {
  const config = readConfig([], {
    ...REQUIRED,
    PERIGEE_PEERS: 'us-east-1=10.0.0.1:7700,us-east-1=[::1]:7700',
  })
  expect(config.peers.get('us-east-1')).toEqual(['10.0.0.1:7700', '[::1]:7700'])
})

it('reports all wrong values at once, each by its variable', () => {
  const problems = problemsOf([], {
    PERIGEE_REGION: 'EU',
    PERIGEE_LEASE_MS: 'long',
    PERIGEE_LOG_LEVEL: 'loud',
    PERIGEE_TYPO: '1',
  })
  for (const name of ['REGION', 'REGIONS', 'DATA_REDIS', 'INDEX_REDIS', 'LEASE_MS', 'LOG_LEVEL', 'TYPO']) {
    expect(problems.filter((line) => line.startsWith(`PERIGEE_${name} `))).toHaveLength(1)
  }
})

it.each([
  ['PERIGEE_REGION', 'mars', 'must be one of PERIGEE_REGIONS'],
  ['PERIGEE_PRIMARY', 'mars', 'must be one of PERIGEE_REGIONS'],
  ['PERIGEE_REGIONS', 'us-east-1,eu-west-1,us-east-1', 'names a region twice'],
  ['PERIGEE_PEERS', 'mars=127.0.0.1:7700', 'mars is not one of'],
  ['PERIGEE_PEERS', 'us-east-1', 'must be region=host:port'],
  ['PERIGEE_RENEW_MS', '1500', 'at most half'],
  ['PERIGEE_VALUE_BYTES_MAX', '4194304', 'must be above PERIGEE_VALUE_BYTES_MAX'],
  ['PERIGEE_TOPOLOGY', 'sentinel', 'PERIGEE_SENTINELS is required'],
  ['PERIGEE_TOPOLOGY', 'raft', 'Invalid option'],
  ['PERIGEE_SENTINELS', 'redis://127.0.0.1:26379', 'is for PERIGEE_TOPOLOGY=sentinel'],
  ['PERIGEE_SENTINELS', '127.0.0.1:26379', 'must be a URL'],
  ['PERIGEE_DATA_REDIS_ADDRESS', '127.0.0.1', 'must be host:port'],
  ['PERIGEE_GATE_USER', 'a b', 'must have 1 to 64'],
  ['PERIGEE_GRPC_LISTEN', '7700', 'must be host:port'],
  ['PERIGEE_DATA_REDIS', 'localhost', 'must be a URL'],
])('refuses %s=%s', (name, value, problem) => {
  expect(problemsOf([], { ...REQUIRED, [name]: value })).toEqual([expect.stringContaining(problem)])
})

it('ignores variables of its prefix that others own', () => {
  expect(
    problemsOf([], {
      ...REQUIRED,
      PERIGEE_REDIS_SERVER: '/x',
      PERIGEE_SERVICE_HOST: '1',
      PERIGEE_PORT_7700_TCP: '1',
    }),
  ).toEqual([])
})

it('refuses a flag it does not know', () => {
  expect(problemsOf(['--grpc-lisen', 'x'], REQUIRED)).toEqual([expect.stringContaining('--grpc-lisen')])
})

it('takes no password from a flag, which everybody on the machine can read, and repeats none', () => {
  const problems = problemsOf(
    ['--data-redis=redis://sidecar:secret@127.0.0.1:1', 'redis://x:secret@h', '--lease-ms=1000'],
    REQUIRED,
  )
  expect(problems).toEqual([expect.stringContaining('there is an argument that is neither')])
  expect(problemsOf(['--data-redis', 'redis://sidecar:secret@127.0.0.1:1'], REQUIRED)).toEqual([
    expect.stringMatching(/^PERIGEE_DATA_REDIS holds a password: give it by the environment/),
  ])
})

it('prints no passwords', () => {
  const printed = printedConfig(readConfig([], REQUIRED))
  expect(printed).not.toContain('secret')
  expect(JSON.parse(printed)).toMatchObject({ dataRedis: 'redis://***@127.0.0.1:6379' })
})

it('is documented setting by setting, with the defaults in force', () => {
  const page = readFileSync(new URL('../../../docs/operations.md', import.meta.url), 'utf8')
  const rows = [...page.matchAll(/^\| `(PERIGEE_\w+)` \| .* \| (.*) \|$/gm)]
  expect(rows.map((row) => row[1])).toEqual(SETTING_VARIABLES)
  const printed = JSON.parse(printedConfig(readConfig([], REQUIRED)))
  for (const [, variable = '', shown = ''] of rows) {
    const name = variable
      .slice('PERIGEE_'.length)
      .toLowerCase()
      .replace(/_(\w)/g, (_, c: string) => c.toUpperCase())
    const value = printed[name] ?? printed.limits[name] ?? printed.traffic[name]
    if (shown.startsWith('`')) expect(shown, variable).toBe(`\`${value}\``)
  }
})

const { PERIGEE_INSECURE: _, ...PRODUCTION } = REQUIRED
const TLS = { PERIGEE_TLS_CERT: 'cert.pem', PERIGEE_TLS_KEY: 'key.pem' }
const TOKENS = { PERIGEE_TOKENS_FILE: 'tokens', PERIGEE_PEER_TOKEN_FILE: 'peer' }
const LOOPBACK = { PERIGEE_GRPC_LISTEN: '127.0.1.1:7700', PERIGEE_HTTP_LISTEN: '[::1]:7701' }

describe('a sidecar that others can reach', () => {
  it.each([
    ['without anything', {}, 'without TLS .* and without authentication'],
    ['without authentication', TLS, 'without authentication'],
    ['without TLS', TOKENS, 'without TLS'],
  ])('refuses to start %s, and says what to set, for each of its ports', (_, environment, why) => {
    const problems = problemsOf([], { ...PRODUCTION, ...environment })
    expect(problems).toHaveLength(2)
    for (const [i, name] of ['PERIGEE_GRPC_LISTEN', 'PERIGEE_HTTP_LISTEN'].entries()) {
      expect(problems[i]).toMatch(
        new RegExp(`^${name} is 0\\.0\\.0\\.0:770${i}, .* ${why}.* or say --insecure`),
      )
    }
  })

  it.each([
    ['::', '[::]:7700'],
    ['a name', 'perigee.internal:7700'],
    ['an address that only begins like loopback', '127.0.0.1.example.com:7700'],
    ['a private address', '10.0.0.1:7700'],
  ])('listens on %s', (_, listen) => {
    const environment = { ...PRODUCTION, ...LOOPBACK, PERIGEE_GRPC_LISTEN: listen }
    expect(problemsOf([], environment)).toEqual([expect.stringContaining(`PERIGEE_GRPC_LISTEN is ${listen}`)])
  })

  it('starts with both, or when it is told to be insecure, and on loopback with neither', () => {
    expect(problemsOf([], { ...PRODUCTION, ...TLS, ...TOKENS })).toEqual([])
    expect(problemsOf([], { ...PRODUCTION, ...TLS, PERIGEE_TLS_CLIENT_CA: 'ca.pem' })).toEqual([])
    expect(problemsOf(['--insecure'], PRODUCTION)).toEqual([])
    expect(problemsOf([], { ...PRODUCTION, ...LOOPBACK })).toEqual([])
    expect(problemsOf([], { ...PRODUCTION, ...LOOPBACK, PERIGEE_HTTP_LISTEN: 'localhost:0' })).toEqual([])
  })
})

describe('authentication', () => {
  const jwks = {
    PERIGEE_JWKS: 'https://issuer.example/jwks',
    PERIGEE_JWT_ISSUER: 'i',
    PERIGEE_JWT_AUDIENCE: 'a',
    PERIGEE_PEER_TOKEN_FILE: 'peer',
  }

  it.each([
    ['JWTs of any issuer', { ...jwks, PERIGEE_JWT_ISSUER: '' }, 'PERIGEE_JWT_ISSUER is required'],
    ['JWTs for anybody', { ...jwks, PERIGEE_JWT_AUDIENCE: '' }, 'PERIGEE_JWT_AUDIENCE is required'],
    ['keys over plain HTTP', { ...jwks, PERIGEE_JWKS: 'http://issuer.example/jwks' }, 'https://'],
    ['no signature', { ...jwks, PERIGEE_JWT_ALGORITHMS: 'none' }, 'PERIGEE_JWT_ALGORITHMS'],
    ['a shared secret', { ...jwks, PERIGEE_JWT_ALGORITHMS: 'RS256,HS256' }, 'PERIGEE_JWT_ALGORITHMS'],
    ['a policy for nobody', { PERIGEE_POLICY_FILE: 'policy.json' }, 'PERIGEE_POLICY_FILE needs'],
    ['reflection for nobody', { PERIGEE_REFLECTION: 'auth' }, 'PERIGEE_REFLECTION=auth needs'],
    ['sidecars that nobody knows', { PERIGEE_TOKENS_FILE: 'tokens' }, 'PERIGEE_PEER_TOKEN_FILE is required'],
    ['names in no certificates', { PERIGEE_PEER_NAMES: 'a' }, 'PERIGEE_PEER_NAMES needs'],
    ['another word', { PERIGEE_INSECURE: 'yes' }, 'PERIGEE_INSECURE must be true or false'],
  ])('can’t be by %s', (_, environment, why) => {
    expect(problemsOf([], { ...REQUIRED, ...environment })).toEqual([expect.stringContaining(why)])
  })

  it('closes what tells of the sidecar, unless told otherwise', () => {
    expect(readConfig([], REQUIRED).auth).toMatchObject({
      required: false,
      reflection: 'on',
      httpAuth: false,
    })
    const tokens = { ...REQUIRED, ...TOKENS }
    expect(readConfig([], tokens).auth).toMatchObject({ required: true, reflection: 'auth', httpAuth: true })
    const open = { ...tokens, PERIGEE_REFLECTION: 'off', PERIGEE_HTTP_AUTH: 'off' }
    expect(readConfig([], open).auth).toMatchObject({ reflection: 'off', httpAuth: false })
  })
})
