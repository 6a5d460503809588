import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { afterEach, describe, expect, it } from 'vitest'
import { readOptions } from '../../functional_test/options.ts'
import { requireNsqd, startNsqd, type NsqProcess } from '../../scripts/nsqd-process.ts'
import { codeBlocks, readText, root, section } from '../support/documents.ts'
import { createCall, type Call } from '../support/http.ts'
import { roleCommands, walk } from '../support/readme.ts'
import { startProcess, untilReady, type TestProcess } from '../support/start-process.ts'
import { createTemporaryFolder } from '../support/temporary-folder.ts'

const nsqdBinary = await requireNsqd()
const scripts = (JSON.parse(readText('package.json')) as { scripts: Record<string, string> })
  .scripts

/** Runs every command of README.md, word for word, against the program as a reader starts it. */
async function expectSold(url: string, adminToken: string, call: Call): Promise<void> {
  const { seen, promised } = await walk(url, adminToken)
  expect(promised).toHaveLength(3)
  for (const line of promised) expect(seen).toContain(line)
  const stock = await call('GET', '/v1/products/1/stock')
  expect(stock.body).toEqual({ productId: 1, allotment: 50, available: 49, held: 0, sold: 1 })
  const invoices = await call('GET', '/v1/admin/invoices?productId=1', { token: adminToken })
  expect(invoices.body).toMatchObject({ items: [{ status: 'paid', totalMinor: 1999 }] })
  const audit = await call('GET', '/v1/admin/audit', { token: adminToken })
  expect(audit.body).toMatchObject({ holds: true, unchecked: [] })
}

describe('the README on the embedded default', () => {
  const folder = createTemporaryFolder()
  let child: ChildProcess | undefined

  afterEach(() => {
    child?.kill('SIGKILL')
    folder.remove()
  })

  /** Starts in an empty folder what `npm start` runs. Resolves with its output once it listens. */
  async function start(): Promise<string> {
    const words = (scripts['start'] ?? '').split(' ').slice(1)
    const script = words.pop() ?? 'no such script'
    const started = spawn(process.execPath, [...words, join(root, script)], {
      cwd: folder.path,
      env: { PATH: process.env['PATH'], PORT: '0' },
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    child = started
    let output = ''
    return new Promise((resolve, reject) => {
      started.stdout.on('data', (chunk: Buffer) => {
        output += chunk.toString()
        if (output.includes('Try:')) resolve(output)
      })
      started.once('exit', (code) => {
        reject(new Error(`it ended with ${code ?? 'a signal'}:\n${output}`))
      })
    })
  }

  it('its walk sells one unit, with the token the program printed', async () => {
    const banner = await start()
    const url = /listens on (http:\S+)/.exec(banner)?.[1] ?? ''
    const adminToken = /Admin token.*: +(\S+)/.exec(banner)?.[1] ?? ''
    expect(banner).toContain(`${url}/docs`)
    await expectSold(url, adminToken, createCall(url))
    const exited = once(child!, 'exit')
    child?.kill('SIGTERM')
    expect(await exited).toEqual([0, null])
  })
})

describe.skipIf(nsqdBinary === undefined)('the README over NSQ', () => {
  const folder = createTemporaryFolder()
  const running: TestProcess[] = []
  let nsqd: NsqProcess | undefined

  afterEach(async () => {
    await Promise.all(running.map((each) => each.kill()))
    await nsqd?.dispose()
    folder.remove()
  })

  it('its walk sells one unit with the roles started as it says, and both API nodes show it', async () => {
    nsqd = await startNsqd({ binary: nsqdBinary ?? '' })
    const commands = roleCommands()
    expect(commands.map(({ environment }) => environment['ROLE'])).toEqual(['worker', 'api', 'api'])
    expect(new Set(commands.map(({ environment }) => environment['PORT'])).size).toBe(3)
    const local = {
      PORT: '0',
      NSQD_TCP_ADDRESSES: nsqd.tcpAddress,
      NSQD_HTTP_ADDRESSES: nsqd.httpAddress,
      DATABASE_PATH: join(folder.path, 'holdfast.db'),
      PAYMENT_SIMULATOR_PATH: join(folder.path, 'payment-simulator.db'),
    }
    for (const { environment, command } of commands) {
      expect(command).toBe('npm start')
      running.push(await startProcess({ ...environment, ...local }))
    }
    for (const each of running) await untilReady(each)
    const [, one, other] = running
    const adminToken = commands[0]?.environment['ADMIN_TOKEN'] ?? ''
    await expectSold(one!.url, adminToken, other!.call)
  })
})

describe('the other commands of the texts', () => {
  const texts = ['README.md', 'CONTRIBUTING.md', 'docs/operations.md'].map(readText).join('\n')

  it('name scripts that exist', () => {
    const named = [...texts.matchAll(/npm run ([\w:-]+)/g)].map(([, name = '']) => name)
    expect(named).toContain('functional-test')
    expect(named.filter((name) => scripts[name] === undefined)).toEqual([])
  })

  it('give the functional test flags it takes', () => {
    const blocks = codeBlocks(section(readText('README.md'), 'Let bots fight for it'), 'sh')
    const flags = blocks.map((block) => block.split(' -- ')[1]?.trim().split(' ') ?? [])
    const filled = flags.map((words) =>
      words.map((word) =>
        word.replace('$HOLDFAST_URL', 'http://127.0.0.1:3000').replace(/\$[A-Z]+/, '1'),
      ),
    )
    const read = filled.map((words) => readOptions(words, { ADMIN_TOKEN: 'exported' }))
    const [own, cluster, host] = read
    expect(own).toMatchObject({ target: { kind: 'own program' }, bots: 10_000 })
    expect(cluster).toMatchObject({ target: { broker: 'nsq', apiNodes: 2 }, reportFolder: 'out/' })
    expect(host).toMatchObject({ target: { kind: 'host', flashSaleId: 1, productId: 1 } })
  })
})
