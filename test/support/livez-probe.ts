import { startChild } from './processes/child-process.ts'

/** A process of its own that asks `/livez` all the time: it measures how long others wait for the event loop. */
export interface LivezProbe {
  /** Forgets the measurements so far. */
  begin(): void
  /** Stops asking; resolves with the longest wait for an answer, ms. */
  stop(): Promise<number>
}

/** The time for which the machine kept the probe itself from running is taken off its measurement. */
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

/**
 * Starts the probe and waits for its connection: made before the load, or it would stand in line with
 * everybody's.
 */
export async function startLivezProbe(url: string): Promise<LivezProbe> {
  const child = startChild({
    name: 'the /livez probe',
    command: [process.execPath, '-e', program, url],
    environment: { PATH: process.env['PATH'] },
    input: 'open',
  })
  await child.printed(/connected /)
  return {
    begin() {
      child.stdin.write('begin')
    },
    async stop() {
      child.stdin.end()
      await child.ended
      return Number(child.output().replace('connected ', ''))
    },
  }
}
