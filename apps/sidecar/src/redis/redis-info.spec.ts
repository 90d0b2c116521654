import { expect, it } from 'vitest'
import { parseRedisInfo } from './redis-info.ts'

const info = (...lines: string[]) => parseRedisInfo(['# Section', ...lines, ''].join('\r\n'))

it('reads what a master says', () => {
  expect(info('loading:0', 'used_memory:1024', 'maxmemory:4096', 'role:master')).toEqual({
    role: 'master',
    linkUp: true,
    syncing: false,
    loading: false,
    usedMemoryBytes: 1024,
    maxMemoryBytes: 4096,
  })
})

it.each([
  ['follows', ['master_link_status:up', 'master_sync_in_progress:0'], { linkUp: true, syncing: false }],
  [
    'copies the whole data set',
    ['master_link_status:down', 'master_sync_in_progress:1'],
    { linkUp: false, syncing: true },
  ],
  ['is cut off', ['master_link_status:down', 'master_sync_in_progress:0'], { linkUp: false, syncing: false }],
])('reads what a replica says that %s', (_, lines, expected) => {
  expect(info('role:slave', ...lines)).toMatchObject({ role: 'replica', ...expected })
})
