import { describe, expect, it } from 'vitest'
import { createReadiness } from './readiness.ts'

describe('readiness', () => {
  it('is given when every check is ok', async () => {
    const readiness = createReadiness({ database: () => 'ok', broker: () => Promise.resolve('ok') })
    expect(await readiness.check()).toEqual({
      ready: true,
      checks: { database: 'ok', broker: 'ok' },
    })
  })

  it('says what is in the way', async () => {
    const readiness = createReadiness({
      database: () => 'migrations pending: 0002',
      broker: () => Promise.reject(new Error('connection refused')),
      results: () => 'ok',
    })
    expect(await readiness.check()).toEqual({
      ready: false,
      checks: { database: 'migrations pending: 0002', broker: 'connection refused', results: 'ok' },
    })
  })

  it('changes its mind with the checks', async () => {
    let answer = 'no result channel yet'
    const readiness = createReadiness({ results: () => answer })
    expect((await readiness.check()).ready).toBe(false)
    answer = 'ok'
    expect((await readiness.check()).ready).toBe(true)
  })

  it('is over when the process drains, whatever the checks say', async () => {
    const readiness = createReadiness({ database: () => 'ok' })
    readiness.drain()
    const report = await readiness.check()
    expect(report.ready).toBe(false)
    expect(report.checks['draining']).toBe('this node is shutting down')
  })

  it('tells a warning without being lost, and none when all is well', async () => {
    let workers = 'no worker'
    const readiness = createReadiness({ database: () => 'ok' }, { workers: () => workers })
    const checks = { database: 'ok' }
    expect(await readiness.check()).toEqual({ ready: true, checks, warnings: { workers } })
    workers = 'ok'
    expect(await readiness.check()).toEqual({ ready: true, checks })
  })
})
