import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync } from 'node:fs'
import { createServer } from 'node:net'
import { endWithThisProcess } from '../test/support/processes/child-process.ts'
import { readFlags, runCommand } from './command-line.ts'
import { findNsqBinary } from './nsqd-binary.ts'
import { flagArguments, nsqdFlags } from './nsqd-process.ts'

const usage = `Usage: npm run nsqd

A local nsqd with the flags of this repository, in the foreground until Ctrl-C, with its queue in
data/nsqd. It is the one in NSQD_BIN, the one on PATH, or one that is built once where Go is installed.

  --help   this text

Exit code: that of nsqd, 1 without an nsqd or with a taken port, 2 wrong usage.`

const tcpPort = 4150
const httpPort = 4151
const dataPath = 'data/nsqd'

async function run(args: readonly string[]): Promise<number> {
  readFlags(args, {})
  const binary = await findNsqBinary('nsqd', { environment: process.env, say: console.error })
  if (binary === undefined) {
    console.error(
      'No nsqd to run. macOS: brew install nsq. Elsewhere: install Go (it is then built by itself),\n' +
        'or put nsqd of https://nsq.io/deployment/installing.html on PATH or into NSQD_BIN.\n' +
        'Without nsqd the program still works: npm start uses the embedded broker.',
    )
    return 1
  }
  for (const port of [tcpPort, httpPort]) {
    if (!(await isFree(port))) {
      console.error(`Port ${port} of 127.0.0.1 is taken. Is another nsqd running already?`)
      return 1
    }
  }
  return runInForeground(binary)
}

async function runInForeground(binary: string): Promise<number> {
  mkdirSync(dataPath, { recursive: true })
  const flags = {
    ...nsqdFlags,
    'data-path': dataPath,
    'tcp-address': `127.0.0.1:${tcpPort}`,
    'http-address': `127.0.0.1:${httpPort}`,
  }
  const child = spawn(binary, flagArguments(flags), { stdio: ['ignore', 'inherit', 'inherit'] })
  endWithThisProcess(child)
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => child.kill(signal))
  const exited = once(child, 'exit')
  console.log(`nsqd        ${binary} (pid ${child.pid ?? 'unknown'})`)
  console.log(
    `listens     tcp 127.0.0.1:${tcpPort}, http 127.0.0.1:${httpPort}, data in ${dataPath}`,
  )
  console.log(`what queues curl -s http://127.0.0.1:${httpPort}/stats`)
  console.log('use it      BROKER=nsq npm start    stop it: Ctrl-C')
  const [code] = (await exited) as [number | null]
  return code ?? 1
}

async function isFree(port: number): Promise<boolean> {
  const server = createServer()
  server.listen(port, '127.0.0.1')
  try {
    await once(server, 'listening')
  } catch {
    return false
  }
  server.close()
  await once(server, 'close')
  return true
}

await runCommand({ usage, run })
