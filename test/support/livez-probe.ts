import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { until } from './until.ts'
import { endWithThisProcess } from '../../scripts/nsqd-process.ts'

/** Asks `/livez` all the time, from a process of its own: what others on the event loop wait at most. */
export interface LivezProbe {
  /** What it measured so far does not count. */
  begin(): void
  /** Ends the asking; the longest answer, ms. */
  stop(): Promise<number>
}

/** What the probe itself was kept from running is not the program's doing, and taken off. */
const program = `
  const http = require('node:http')
  const agent = new http.Agent({ keepAlive: true, maxSockets: 1 })
  const everyMs = 2
  let longestMs = 0
  let ownStallMs = 0
  let lastTick = performance.now()
  setInterval(() => {
    const now = performance.now()
    ownStallMs += Math.max(0, now - lastTick - 2 * everyMs)
    lastTick = now
  }, everyMs)
  const ask = () => {
    const startedAt = performance.now()
    ownStallMs = 0
    http.get(process.argv[1] + '/livez', { agent }, (response) => {
      response.resume()
      response.once('end', () => {
        if (longestMs === 0) process.stdout.write('connected ')
        longestMs = Math.max(longestMs, performance.now() - startedAt - ownStallMs)
        setTimeout(ask, 5)
      })
    })
  }
  process.stdin.on('data', () => { longestMs = 0.001 })
  process.stdin.once('end', () => {
    process.stdout.write(String(longestMs))
    process.exit(0)
  })
  ask()`

/** Connect it before the load: a new connection would stand in line with everybody's. */
export async function startLivezProbe(url: string): Promise<LivezProbe> {
  const child = spawn(process.execPath, ['-e', program, url], {
    stdio: ['pipe', 'pipe', 'inherit'],
  })
  endWithThisProcess(child)
  let said = ''
  child.stdout.on('data', (chunk: Buffer) => (said += chunk.toString()))
  const closed = once(child, 'close')
  await until(() => said !== '', 20_000, 'the probe being connected')
  return {
    begin() {
      child.stdin.write('begin')
    },
    async stop() {
      child.stdin.end()
      await closed
      return Number(said.replace('connected ', ''))
    },
  }
}
