const [way, , token] = process.argv.slice(2)
const wait = (ms) => new Promise((resolve) => setTimeout(resolve, ms))
for (const text of [token, process.env.PASSWORD, process.env.TOKEN]) {
  process.stdout.write(`I say ${text.slice(0, 9)}`)
  await wait(15)
  process.stdout.write(`${text.slice(9)}\n`)
  process.stderr.write(`${text.slice(0, 3)}`)
  await wait(15)
  process.stderr.write(`${text.slice(3)}\n`)
}
if (way === 'process-ends') process.exit(9)
console.log('ready')
setInterval(() => {}, 1000)
