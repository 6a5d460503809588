import { afterEach, expect, it } from 'vitest'
import { findFreePort } from '../support/processes/free-port.ts'
import { until } from '../support/until.ts'
import { createPart, type Part } from './part.ts'
import { judgeEnds } from './verdict.ts'

/** The behaviour of the process at a request of /end and at SIGTERM. */
interface Ways {
  readonly end?: string
  readonly stop?: string
}

let part: Part | undefined

afterEach(async () => {
  await part?.kill()
})

async function start({ end = '', stop = 'process.exit(0)' }: Ways): Promise<Part> {
  const port = await findFreePort()
  const program = `
    process.on('SIGTERM', () => { ${stop} })
    require('node:http').createServer(({ url }, response) => {
      response.end()
      if (url === '/end') { console.log('as asked'); ${end} }
    }).listen(${port}, '127.0.0.1')`
  const origin = `http://127.0.0.1:${port}`
  const made = createPart({
    name: 'ours',
    command: ['-e', program],
    environment: {},
    origin,
    health: '/livez',
  })
  part = made
  await made.start()
  return made
}

async function letItEnd(ending: Part): Promise<void> {
  await fetch(`${ending.origin}/end`)
  await until(() => ending.mishaps().length > 0, 5_000, 'its end')
}

it.each([
  ['aborts', 'process.abort()', 'ended by SIGABRT'],
  ['exits with 1', 'process.exit(1)', 'exit code 1'],
  ['exits with 0', 'process.exit(0)', 'exit code 0'],
])(
  'a process that %s by itself has crashed, whatever is done to it next',
  async (_how, end, how) => {
    const crashing = await start({ end })
    await letItEnd(crashing)
    await crashing.pause()
    crashing.resume()
    await crashing.kill()
    await crashing.start()
    await crashing.stop()
    const what = expect.stringMatching(new RegExp(`^${how}\nas asked`)) as string
    expect(crashing.mishaps()).toEqual([{ kind: 'crash', what }])
    const crash = { id: 'crash', violations: 1, examples: [what] }
    expect(judgeEnds(crashing)).toMatchObject([crash, { id: 'stop', violations: 0 }])
  },
)

it('a process that was killed, stopped in order and silent has nothing to answer for', async () => {
  const orderly = await start({})
  await orderly.kill()
  await orderly.start()
  await orderly.pause()
  orderly.resume()
  await orderly.stop()
  expect(judgeEnds(orderly).map(({ violations }) => violations)).toEqual([0, 0])
})

it('a process that is told to stop and exits with 1 has not stopped in order', async () => {
  const clumsy = await start({ stop: 'process.exit(1)' })
  await clumsy.stop()
  await clumsy.start()
  expect(judgeEnds(clumsy)).toMatchObject([
    { id: 'crash', violations: 0 },
    { id: 'stop', violations: 1, examples: ['exit code 1'] },
  ])
})

it('what has ended by itself is there again when it is revived, what has not goes on', async () => {
  const crashing = await start({ end: 'process.abort()' })
  await letItEnd(crashing)
  await crashing.revive()
  await crashing.revive()
  expect((await fetch(crashing.origin)).status).toBe(200)
  expect(crashing.mishaps()).toHaveLength(1)
})
