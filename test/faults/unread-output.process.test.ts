import { afterEach, describe, expect, it } from 'vitest'
import { createCall } from '../support/http.ts'
import { startChild } from '../support/processes/child-process.ts'
import { findFreePort } from '../support/processes/free-port.ts'
import { program, startProcess } from '../support/start-process.ts'
import { createTemporaryFolder, type TemporaryFolder } from '../support/temporary-folder.ts'
import { until } from '../support/until.ts'

/** On a signal this code prints more than a pipe takes, or crashes. */
const obedient = [
  `process.on('SIGHUP', () => process.stdout.write('x'.repeat(4e6)))`,
  `process.on('SIGUSR2', () => { throw new Error('a bug') })`,
]
/**
 * The program promises 10 s and gives its services 6 s; the rest is for a machine with a load of
 * 12.
 */
const stopWithinMs = 40_000

const ends: (() => unknown)[] = []
afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end()
})

function pathsIn({ path, remove }: TemporaryFolder): Readonly<Record<string, string>> {
  ends.push(remove)
  return { DATABASE_PATH: `${path}/holdfast.db`, PAYMENT_SIMULATOR_PATH: `${path}/provider.db` }
}

describe('a process whose output nobody reads', () => {
  it.each([
    ['told to stop', 'SIGTERM', 0, 'closed'],
    ['told to stop', 'SIGTERM', 0, 'stalled'],
    ['crashing', 'SIGUSR2', 1, 'closed'],
    ['crashing', 'SIGUSR2', 1, 'stalled'],
  ] as const)('%s by %s exits with %i in time when its pipes are %s', async (...story) => {
    const [, signal, code, pipes] = story
    const shop = await startProcess({
      ...pathsIn(createTemporaryFolder()),
      LOG_LEVEL: 'info',
      NODE_OPTIONS: `--import data:text/javascript,${encodeURIComponent(obedient.join('\n'))}`,
    })
    ends.push(shop.kill)
    shop.stopReading(pipes)
    shop.signal('SIGHUP')
    expect((await shop.call('GET', '/livez')).status).toBe(200)
    const startedAt = performance.now()
    shop.signal(signal)
    expect(await shop.gone).toBe(code)
    expect(performance.now() - startedAt).toBeLessThan(stopWithinMs)
  })

  it('from its start on sells nevertheless, and stops with 0', async () => {
    const port = await findFreePort()
    const paths = pathsIn(createTemporaryFolder())
    const child = startChild({
      name: 'the program',
      command: [process.execPath, program],
      environment: { PATH: process.env['PATH'], PORT: `${port}`, ...paths },
    })
    child.stdout.destroy()
    child.stderr.destroy()
    ends.push(child.kill)
    const call = createCall(`http://127.0.0.1:${port}`)
    const answers = () => call('GET', '/readyz').then(({ status }) => status === 200, no)
    await until(answers, 60_000, 'the process serving', 25)
    expect(await child.stop()).toEqual({ code: 0, signal: null })
  })
})

const no = (): boolean => false
