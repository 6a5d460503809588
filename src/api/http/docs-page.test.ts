import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { startApp, type TestApp } from '../../../test/support/start-app.ts'

let app: TestApp
beforeAll(async () => {
  app = await startApp()
})
afterAll(() => app.stop())

const get = (accept: string): Promise<Response> =>
  fetch(`${app.url}/`, { redirect: 'manual', headers: { accept } })

describe('GET /', () => {
  it('leads a browser to the documentation', async () => {
    const response = await get('text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8')
    expect(response.status).toBe(302)
    expect(response.headers.get('location')).toBe('/docs')
    expect(response.headers.get('vary')).toMatch(/accept/i)
  })

  it.each(['*/*', 'application/json', 'text/plain'])(
    'tells a program that accepts %s paths that exist',
    async (accept) => {
      const response = await get(accept)
      expect(response.status).toBe(200)
      const { name, ...paths } = (await response.json()) as Record<string, string>
      expect(name).toBe('Holdfast')
      for (const path of Object.values(paths)) {
        expect((await app.call('GET', path)).status).toBe(200)
      }
    },
  )
})
