import { afterEach, describe, expect, it } from 'vitest'
import { lockDatabase } from '../support/lock-database.ts'
import { openRaw } from '../support/raw-http.ts'
import { createSale } from '../support/sale.ts'
import { keyed } from '../support/shopping.ts'
import { startProcess, type TestProcess } from '../support/start-process.ts'
import { createTemporaryFolder } from '../support/temporary-folder.ts'
import { testAdminToken, testJwtSecret } from '../support/start-app.ts'
import { until } from '../support/until.ts'

/** Secrets planted in everything that a client or an operator sends; none may appear in the log. */
const planted = {
  email: 'canary@mail.example.com',
  key: 'canary-idempotency-key-0001',
  paymentMethod: 'pm_canary_4242424242424242',
  messageSecret: 'canary-message-secret-0001',
  webhookSecret: 'canary-webhook-secret-0001',
  bearer: 'canary-bearer-0001',
}

/**
 * On SIGUSR2 this throws an error full of planted secrets, as a bug in the program or a library
 * would.
 */
const bomb = `process.once('SIGUSR2',()=>{throw Object.assign(new Error(process.env.CRASH_WITH),{body:process.env.CRASH_WITH})})`

const stops: (() => Promise<unknown>)[] = []
afterEach(async () => {
  for (const stop of stops.splice(0).reverse()) await stop()
})

async function start(environment: Readonly<Record<string, string>>) {
  const folder = createTemporaryFolder()
  const databasePath = `${folder.path}/holdfast.db`
  const program = await startProcess({
    LOG_LEVEL: 'trace',
    DATABASE_PATH: databasePath,
    PAYMENT_SIMULATOR_PATH: `${folder.path}/payment-simulator.db`,
    MESSAGE_KEYS: `k1:${planted.messageSecret}`,
    PAYMENT_WEBHOOK_SECRET: planted.webhookSecret,
    ...environment,
  })
  stops.push(() => {
    folder.remove()
    return program.kill()
  })
  return { program, databasePath }
}

/** Makes a whole purchase and every error around it. Resolves with the shopper's token. */
async function shop({ call, url }: TestProcess, databasePath: string): Promise<string> {
  const sale = await createSale(call, { stock: 5 })
  const { email, key, paymentMethod, bearer } = planted
  const registered = await call('POST', '/v1/users', { body: { name: 'Ann', email } })
  const token = String(registered.body['token'])
  const headers = keyed(key)
  const answers = [
    await call('POST', '/v1/users', { body: { name: 'Ann', email } }),
    await call('POST', '/v1/users', { body: `{"email":"${email}` }),
    await call('GET', `/v1/nowhere?token=${token}&email=${email}`, { token }),
    await call('GET', '/v1/cart', { token: bearer }),
    await call('GET', '/v1/admin/invoices', { token: testAdminToken }),
    await call('POST', '/v1/cart/items', { token, body: sale, headers }),
    await call('POST', '/v1/cart/items', { token, body: { ...sale, email }, headers }),
    await call('POST', '/v1/checkout', { token, headers }),
  ]
  const { id: invoiceId } = answers.at(-1)?.body['invoice'] as unknown as { readonly id: string }
  const lock = lockDatabase(databasePath)
  // The lock outlasts the wait of a transaction, so this answers 503 and logs a line.
  const late = await call('POST', '/v1/users', { body: { name: 'Bob', email: `bob-${email}` } })
  lock.release()
  const body = { paymentMethod }
  const paid = await call('POST', `/v1/invoices/${invoiceId}/pay`, { token, body, headers })
  expect(answers.map(({ status }) => status)).toEqual([409, 400, 404, 401, 200, 201, 400, 201])
  expect([late.status, paid.status]).toEqual([503, 402])
  const raw = await openRaw(url)
  raw.send(`GARBAGE ${email}\r\n\r\n`)
  await raw.received()
  return token
}

describe('everything a process prints', () => {
  it('has no token, secret, key or address of e-mail in it, through a purchase, its errors and a crash', async () => {
    const { email, bearer, messageSecret, webhookSecret } = planted
    const crash = `${email} Bearer ${bearer} ${testAdminToken} ${testJwtSecret} ${messageSecret} ${webhookSecret}`
    const { program, databasePath } = await start({
      NODE_OPTIONS: `--import data:text/javascript,${encodeURIComponent(bomb)}`,
      CRASH_WITH: crash,
    })
    const token = await shop(program, databasePath)
    program.signal('SIGUSR2')
    await until(() => program.output().includes('crashed'), 5_000, 'the crash')
    expect(await program.stop()).toBe(1)

    const output = program.output()
    expect(output).toContain('/v1/nowhere')
    expect(output).toMatch(/"level":40.*"statusCode":503/)
    expect(output).toContain('"origin":"uncaughtException"')
    const secrets = [testAdminToken, testJwtSecret, token, token.split('.')[2] ?? '']
    for (const secret of [...Object.values(planted), ...secrets]) {
      expect(output).not.toContain(secret)
    }
  })
})
