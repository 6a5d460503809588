import { spawnSync } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { readText } from '../support/documents.ts'
import { createCall, type Call } from '../support/http.ts'
import { startChild, type ChildProcess } from '../support/processes/child-process.ts'
import { findFreePort } from '../support/processes/free-port.ts'
import { runToEnd } from '../support/run-command.ts'
import { testAdminToken } from '../support/start-app.ts'
import { startProcess, type TestProcess } from '../support/start-process.ts'
import { createTemporaryFolder } from '../support/temporary-folder.ts'
import { until } from '../support/until.ts'

/** deploy/nginx.conf with a real nginx; only addresses and ports are mapped to local ones. */
const hasNginx = spawnSync('nginx', ['-v']).status === 0
if (!hasNginx) console.warn('\n!!! SKIPPED, NOT TESTED: deploy/nginx.conf. There is no nginx !!!\n')

describe.skipIf(!hasNginx)('deploy/nginx.conf', () => {
  const folder = createTemporaryFolder()
  const path = join(folder.path, 'nginx.conf')
  let node: TestProcess
  let nginx: ChildProcess | undefined
  let through: Call

  beforeAll(async () => {
    node = await startProcess({
      TRUSTED_PROXIES: '1',
      ADDRESS_RATE: '1',
      DATABASE_PATH: join(folder.path, 'holdfast.db'),
      PAYMENT_SIMULATOR_PATH: join(folder.path, 'payment-simulator.db'),
    })
    const port = await findFreePort()
    const text = readText('deploy/nginx.conf')
      .replace('127.0.0.1:3000', new URL(node.url).host)
      .replace(/.*127\.0\.0\.1:3001;\n/, '')
      .replace('127.0.0.1:8080', `127.0.0.1:${port}`)
    writeFileSync(path, text)
    const command = ['nginx', '-p', folder.path, '-c', path, '-g', 'daemon off;'] as const
    nginx = startChild({ name: 'nginx', command, environment: { PATH: process.env['PATH'] } })
    through = createCall(`http://127.0.0.1:${port}`)
    const answers = () => through('GET', '/livez').then(({ status }) => status === 200, no)
    await until(answers, 10_000, 'nginx')
  })

  afterAll(async () => {
    await nginx?.stop()
    await node.kill()
    folder.remove()
  })

  it('is a configuration that nginx takes', async () => {
    const tested = await runToEnd('nginx', ['-t', '-p', folder.path, '-c', path], {
      cwd: folder.path,
    })
    expect(tested).toMatchObject({ code: 0 })
  })

  it('leads shoppers to a node and nobody to the operators or the metrics', async () => {
    const token = testAdminToken
    expect((await through('GET', '/openapi.json')).status).toBe(200)
    expect((await node.call('GET', '/v1/admin/actions', { token })).status).toBe(200)
    for (const hidden of [
      '/v1/admin/actions',
      '/v1/%61dmin/actions',
      '/v1//admin/actions',
      '/v1/x/../admin/actions',
      '/metrics',
      '//metrics',
    ]) {
      expect((await through('GET', hidden, { token })).status).toBe(404)
    }
  })

  it('names the address of its client, whatever that client claims', async () => {
    const claimed = (index: number) => ({ headers: { 'x-forwarded-for': `203.0.113.${index}` } })
    const statuses: number[] = []
    for (let index = 0; index < 20; index += 1) {
      statuses.push((await through('GET', '/v1/flash-sales', claimed(index))).status)
    }
    // One address for all of them, and it may send one a second.
    expect(statuses).toContain(429)
  })
})

const no = (): boolean => false
