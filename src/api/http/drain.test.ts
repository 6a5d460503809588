import { expect, it } from 'vitest'
import { createFakeClock } from '../../../test/support/fake-clock.ts'
import { openRaw } from '../../../test/support/raw-http.ts'
import { createSale, createShopper } from '../../../test/support/sale.ts'
import { startApp, type TestApp } from '../../../test/support/start-app.ts'
import { until } from '../../../test/support/until.ts'

const delayMs = 20_000

const isClosed = (app: TestApp) => async (): Promise<boolean> =>
  openRaw(app.url).then(
    (connection) => {
      connection.close()
      return false
    },
    () => true,
  )

it('a stop serves on for DRAIN_DELAY_MS, on new connections too, and says that it is not ready', async () => {
  const clock = createFakeClock()
  const app = await startApp({ clock, environment: { DRAIN_DELAY_MS: String(delayMs) } })
  const sale = await createSale(app.call)
  const { token } = await createShopper(app.call)
  const stopped = app.holdfast.stop()
  const isDraining = async () => (await app.call('GET', '/readyz')).status === 503
  await until(isDraining, 5_000, 'not ready')
  // Beyond what a service may take to stop without a delay.
  clock.advance(delayMs - 1)
  const ready = await app.call('GET', '/readyz')
  expect(ready.status).toBe(503)
  expect(ready.body).toMatchObject({ checks: { draining: 'this node is shutting down' } })
  const held = await app.call('POST', '/v1/cart/items', { token, body: sale })
  expect(held.status).toBe(201)
  expect(held.headers.get('connection')).not.toBe('close')
  expect(await isClosed(app)()).toBe(false)
  clock.advance(1)
  await until(isClosed(app), 5_000, 'closed')
  clock.advance(500)
  await stopped
  await app.stop()
})

it('a start that fails does not wait for DRAIN_DELAY_MS', async () => {
  const holder = await startApp({ clock: createFakeClock() })
  const port = new URL(holder.url).port
  const environment = { DRAIN_DELAY_MS: String(delayMs), ADMIN_PORT: port }
  await expect(startApp({ clock: createFakeClock(), environment })).rejects.toThrow('EADDRINUSE')
  const stopped = holder.stop()
  await until(isClosed(holder), 5_000, 'closed')
  await stopped
})

it('a stop without DRAIN_DELAY_MS closes the port at once', async () => {
  const app = await startApp({ clock: createFakeClock() })
  const stopped = app.stop()
  await until(isClosed(app), 5_000, 'closed')
  await stopped
})

it('an idle connection stays for KEEP_ALIVE_MS, and its answers say so', async () => {
  const app = await startApp({
    clock: createFakeClock(),
    environment: { KEEP_ALIVE_MS: '620000' },
  })
  const connection = await openRaw(app.url)
  connection.send('GET /livez HTTP/1.1\r\nhost: holdfast\r\n\r\n')
  expect((await connection.receive('"alive"')).toLowerCase()).toContain(
    'keep-alive: timeout=620\r\n',
  )
  connection.close()
  await app.stop()
})
