import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { expect, test } from 'vitest'
import { watchMemory } from './memory.ts'

test('a host of somebody else is sampled, and the largest sample is told', async () => {
  const metrics =
    '# TYPE process_resident_memory_bytes gauge\nprocess_resident_memory_bytes 1.5e+8\n'
  const server = createServer((_request, response) => response.end(metrics)).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  const metricsOrigin = `http://127.0.0.1:${port}`
  const watch = watchMemory([{ name: 'host', pid: null, metricsOrigin }])
  const peaks = await watch.stop()
  server.closeAllConnections()
  server.close()
  const source = 'sampled from /metrics'
  expect(peaks).toContainEqual({ process: 'host', megabytes: 150, source })
})

test('a host that does not say is not guessed at', async () => {
  const watch = watchMemory([{ name: 'host', pid: null, metricsOrigin: 'http://127.0.0.1:1' }])
  expect(await watch.stop()).toContainEqual(
    expect.objectContaining({ process: 'host', megabytes: null }),
  )
})

test('a process of ours is asked of the kernel where there is one to ask', async () => {
  const own = { name: 'program', pid: process.pid, metricsOrigin: null }
  const [bots, program] = await watchMemory([own]).stop()
  expect(bots?.megabytes).toBeGreaterThan(10)
  if (process.platform === 'linux') expect(program?.megabytes).toBeCloseTo(bots!.megabytes!, -1)
})
