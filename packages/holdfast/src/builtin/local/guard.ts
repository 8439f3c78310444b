import { spawn, type ChildProcess } from 'node:child_process'

/**
 * A small watcher beside us, which kills the process groups of our commands when we die, however we die: it reads from a pipe that only we hold, so the end of
 * the pipe is our end. One for the whole process, started with the first command, in a session of its own (a Ctrl-C on the terminal does not reach it).
 */
const WATCHER = `groups=" "
while read -r what group; do
  case "$what" in
    +) groups="$groups$group " ;;
    -) groups="\${groups%% $group *} \${groups#* $group }" ;;
  esac
done
for group in $groups; do kill -KILL "-$group" 2>/dev/null; done`

let watcher: ChildProcess | undefined

function say(line: string): void {
  if (!watcher) {
    const child = spawn('/bin/sh', ['-c', WATCHER], { stdio: ['pipe', 'ignore', 'ignore'], detached: true, env: { PATH: '/usr/bin:/bin' }, cwd: '/' })
    const gone = () => {
      if (watcher === child) watcher = undefined
    }
    child.on('exit', gone).on('error', gone)
    child.stdin?.on('error', gone)
    // It must not keep us alive: it ends when we do.
    child.unref()
    ;(child.stdin as unknown as { unref?(): void } | null)?.unref?.()
    watcher = child
  }
  watcher.stdin?.write(`${line}\n`)
}

/** From now on the group dies with us. Gives the end of that. */
export function dieWithUs(group: number): () => void {
  say(`+ ${group}`)
  return () => say(`- ${group}`)
}
