import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { runToEnd } from '../support/run-command.ts'
import { startProcess, type TestProcess } from '../support/start-process.ts'
import { createTemporaryFolder, type TemporaryFolder } from '../support/temporary-folder.ts'
import { until } from '../support/until.ts'

/** Standard output is a terminal, as far as the program can see. */
const terminal = `--import data:text/javascript,${encodeURIComponent('process.stdout.isTTY = true')}`

let folder: TemporaryFolder
const running: TestProcess[] = []
beforeEach(() => {
  folder = createTemporaryFolder()
})
afterEach(async () => {
  await Promise.all(running.splice(0).map((each) => each.kill()))
  folder.remove()
})

/** Development, as `npm start` finds it on a clean machine: without a secret. */
async function start(environment: Readonly<Record<string, string>> = {}): Promise<TestProcess> {
  const started = await startProcess({
    NODE_ENV: '',
    LOG_LEVEL: 'info',
    ADMIN_TOKEN: '',
    JWT_SECRET: '',
    DATABASE_PATH: join(folder.path, 'holdfast.db'),
    PAYMENT_SIMULATOR_PATH: join(folder.path, 'payment-simulator.db'),
    ...environment,
  })
  running.push(started)
  await until(() => started.output().includes('Then:'), 5_000, 'the whole banner')
  return started
}

const adminTokenOf = (started: TestProcess): string =>
  /^Admin token.*: +(\S+)$/m.exec(started.output())?.[1] ?? ''

describe('what npm start prints', () => {
  it('has commands that do something on an empty shop', async () => {
    const started = await start()
    const commands = [...started.output().matchAll(/^(?:Try|Then): +(curl .*)$/gm)]
    const answers = []
    for (const [, command = ''] of commands) {
      const { stdout } = await runToEnd('sh', ['-c', command], { cwd: folder.path })
      answers.push(JSON.parse(stdout) as unknown)
    }
    const sale = { id: 1, name: 'First sale', status: 'active' }
    expect(answers).toMatchObject([sale, { items: [sale] }])
  })

  it('has an admin token that is kept, as shoppers’ tokens are, through a restart', async () => {
    const first = await start()
    const shopper = { name: 'Ann', email: 'ann@example.com' }
    const registered = await first.call('POST', '/v1/users', { body: shopper })
    const token = String(registered.body['token'])
    const adminToken = adminTokenOf(first)
    expect(first.output()).toContain(`kept in ${folder.path}/development-secrets.json`)
    expect(await first.stop()).toBe(0)

    const second = await start()
    expect(adminTokenOf(second)).toBe(adminToken)
    expect((await second.call('GET', '/v1/cart', { token })).status).toBe(200)
    const actions = await second.call('GET', '/v1/admin/actions', { token: adminToken })
    expect(actions.status).toBe(200)
  })

  it('is the same for two that start at once', async () => {
    const both = await Promise.all([start(), start()])
    const [one, other] = both.map(adminTokenOf)
    expect(one).toMatch(/^\S{32}$/)
    expect(other).toBe(one)
  })

  it('is written to no file and to no log when the secrets were given', async () => {
    const started = await start({
      ADMIN_TOKEN: 'given-admin-token',
      JWT_SECRET: 'given-jwt-secret',
    })
    expect(started.output()).not.toMatch(/given-|Admin token/)
    expect(started.output()).toContain('Bearer $ADMIN_TOKEN')
    expect(() => readFileSync(join(folder.path, 'development-secrets.json'))).toThrow('ENOENT')
  })

  it('has readable log lines on a terminal, and JSON elsewhere', async () => {
    const elsewhere = await start()
    expect(elsewhere.output()).toMatch(/^\{"level":30,.*"msg":"database migrated"\}$/m)
    await elsewhere.stop()
    const onTerminal = await start({ NODE_OPTIONS: terminal, NO_COLOR: '1' })
    expect(await onTerminal.stop()).toBe(0)
    expect(onTerminal.output()).toMatch(/^\[[\d:.]+\] INFO: stopping \{"signal":"SIGTERM"\}$/m)
    expect(onTerminal.output()).toMatch(/^\[[\d:.]+\] INFO: stopped$/m)
    expect(onTerminal.output()).not.toContain('"level"')
  })
})
