import { mkdir, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import {
  startChild,
  untilAnswers,
  type ChildProcess,
} from '../test/support/processes/child-process.ts'
import { findFreePorts } from '../test/support/processes/free-port.ts'
import { findNsqBinary, type NsqBinary } from './nsqd-binary.ts'

/**
 * Real nsqd and nsqlookupd children for suites and `npm run nsqd`: loopback only, own data folder.
 */

/**
 * The flags of every nsqd of this project; docker-compose.yml has the same, and a test compares
 * them. Addresses and the data path are added.
 */
export const nsqdFlags = {
  'mem-queue-size': '20000',
  'max-rdy-count': '2500',
  'min-output-buffer-timeout': '1ms',
  'max-channel-consumers': '1',
  'msg-timeout': '10s',
  'max-msg-timeout': '60s',
  'log-level': 'warn',
} as const satisfies Readonly<Record<string, string>>

export interface NsqdOptions {
  /** The path from `requireNsqd` or `findNsqBinary`. */
  readonly binary: string
  /** The ports; free loopback ports when absent. */
  readonly tcpPort?: number
  readonly httpPort?: number
  /** The data folder; when absent a temporary one that `dispose` removes. */
  readonly dataPath?: string
  /** Flags that add to or replace `nsqdFlags`, without the leading dashes. */
  readonly flags?: Readonly<Record<string, string>>
  /** The nsqlookupd where it registers, broadcasting 127.0.0.1. */
  readonly lookupdTcpAddress?: string
}

/** A daemon that tests can stop, kill and pause. Every method resolves when the effect is there. */
export interface NsqProcess {
  readonly tcpAddress: string
  readonly httpAddress: string
  readonly dataPath: string
  readonly pid: number
  /**
   * Returns the log since its last start; at `--log-level=warn` it has only warnings and errors.
   */
  log(): string
  /** Sends SIGTERM: nsqd writes its queues to disk. */
  stop(): Promise<void>
  /** Sends SIGKILL: nsqd loses the messages in memory. */
  kill(): Promise<void>
  /** Sends SIGSTOP: connections stay open without answers. */
  pause(): Promise<void>
  /** Sends SIGCONT. */
  resume(): void
  /** Starts again on the same ports with the same data. */
  restart(): Promise<void>
  /** Ends it and removes a temporary data folder. */
  dispose(): Promise<void>
}

/** It only catches an nsqd that hangs: it answers 30 ms after its start. */
const startTimeoutMs = 60_000
const stopTimeoutMs = 5_000
const portAttempts = 3
/** Only the first lines of nsqd's error are kept, because a page of usage follows them. */
const complaintLengthMax = 500

/** Starts nsqd with our flags and waits until it answers. */
export async function startNsqd(options: NsqdOptions): Promise<NsqProcess> {
  const temporary = options.dataPath === undefined
  const dataPath = options.dataPath ?? (await mkdtemp(join(tmpdir(), 'holdfast-nsqd-')))
  await mkdir(dataPath, { recursive: true })
  const flags: Record<string, string> = { ...nsqdFlags, 'data-path': dataPath, ...options.flags }
  if (options.lookupdTcpAddress !== undefined) {
    flags['lookupd-tcp-address'] = options.lookupdTcpAddress
    flags['broadcast-address'] = '127.0.0.1'
  }
  const { tcpPort, httpPort } = options
  return startOnPorts({ binary: options.binary, flags, dataPath, temporary }, tcpPort, httpPort)
}

/** Starts nsqlookupd and waits until it answers. */
export async function startNsqlookupd(options: { readonly binary: string }): Promise<NsqProcess> {
  const flags = { 'log-level': 'warn' }
  return startOnPorts({ binary: options.binary, flags, dataPath: '', temporary: false })
}

/**
 * Returns the path of nsqd for a suite; undefined, after a warning, when there is none.
 * @throws when `REQUIRE_NSQD=1` forbids skipping.
 */
export function requireNsqd(): Promise<string | undefined> {
  return requireBinary('nsqd')
}

/** Does the same for nsqlookupd. */
export function requireNsqlookupd(): Promise<string | undefined> {
  return requireBinary('nsqlookupd')
}

async function requireBinary(name: NsqBinary): Promise<string | undefined> {
  const said: string[] = []
  const say = (line: string): void => {
    said.push(line)
  }
  const path = await findNsqBinary(name, { environment: process.env, say })
  if (path !== undefined) return path
  const why = said.join('; ')
  if (process.env['REQUIRE_NSQD'] === '1') {
    throw new Error(`REQUIRE_NSQD=1 and ${name} cannot be had: ${why}`)
  }
  console.warn(`\n!!! SKIPPED, NOT TESTED: everything that needs a real ${name}. ${why} !!!\n`)
  return undefined
}

/** Returns the flags as `--name=value` in the given order. */
export function flagArguments(flags: Readonly<Record<string, string>>): string[] {
  return Object.entries(flags).map(([name, value]) => `--${name}=${value}`)
}

interface Daemon {
  readonly binary: string
  readonly flags: Readonly<Record<string, string>>
  readonly dataPath: string
  readonly temporary: boolean
}

/**
 * Starts the daemon on free ports. Another suite may take a port in between, so it tries others.
 */
async function startOnPorts(
  daemon: Daemon,
  tcpPort?: number,
  httpPort?: number,
): Promise<NsqProcess> {
  const given = tcpPort !== undefined && httpPort !== undefined
  for (let attempt = 1; ; attempt++) {
    const [freeTcpPort, freeHttpPort] = await findFreePorts(2)
    const addresses = {
      tcpAddress: `127.0.0.1:${tcpPort ?? freeTcpPort}`,
      httpAddress: `127.0.0.1:${httpPort ?? freeHttpPort}`,
    }
    try {
      return await startDaemon(daemon, addresses)
    } catch (error) {
      if (given || attempt === portAttempts) throw error
    }
  }
}

interface Addresses {
  readonly tcpAddress: string
  readonly httpAddress: string
}

async function startDaemon(daemon: Daemon, addresses: Addresses): Promise<NsqProcess> {
  const arguments_ = flagArguments({
    ...daemon.flags,
    'tcp-address': addresses.tcpAddress,
    'http-address': addresses.httpAddress,
  })
  let child = await launch(daemon.binary, arguments_, addresses.httpAddress)

  return {
    ...addresses,
    dataPath: daemon.dataPath,
    get pid() {
      return child.pid
    },
    log: () => child.output(),
    async stop() {
      await child.stop(stopTimeoutMs)
    },
    async kill() {
      await child.kill()
    },
    pause: () => child.pause(),
    resume() {
      child.signal('SIGCONT')
    },
    async restart() {
      await child.stop(stopTimeoutMs)
      child = await launch(daemon.binary, arguments_, addresses.httpAddress)
    },
    async dispose() {
      await child.kill()
      if (daemon.temporary) await rm(daemon.dataPath, { recursive: true, force: true })
    },
  }
}

async function launch(
  binary: string,
  arguments_: readonly string[],
  httpAddress: string,
): Promise<ChildProcess> {
  const child = startChild({
    name: binary,
    command: [binary, ...arguments_],
    environment: process.env,
  })
  if (await untilAnswers(child, `http://${httpAddress}/ping`, startTimeoutMs)) return child
  const how = child.isRunning() ? `did not answer within ${startTimeoutMs} ms` : 'did not start'
  await child.kill()
  throw new Error(`${binary} ${how}: ${child.output().trim().slice(0, complaintLengthMax)}`)
}
