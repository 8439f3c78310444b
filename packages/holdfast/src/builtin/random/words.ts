const words = (text: string): readonly string[] => text.trim().split(/\s+/)

/** Short, plain and harmless; no word stands in two lists. */
export const adverbs = words(`
  boldly brightly briskly calmly cheerily clearly closely deeply duly eagerly easily evenly fairly fondly freely freshly gently gladly greatly happily
  jointly justly keenly kindly largely lately lightly loudly merrily mildly nearly neatly nicely nobly openly partly plainly promptly properly purely quickly
  quietly rapidly rarely readily really rightly safely sharply simply slowly smoothly softly solidly soundly steadily strongly surely swiftly truly usually
  vastly warmly wholly widely wisely`)

export const adjectives = words(`
  able amber ample azure big blue brave brief broad bronze bright busy calm clean clear clever cool coral cosy crisp curious deft eager early easy fair fast
  fine firm fleet fluent fond frank free fresh gentle glad golden good grand great green handy happy hardy honest humble jade jolly keen kind large light
  lively loyal lucid lucky magic major mellow merry mighty mild mint modest neat nimble noble novel olive open patient plain polite prime proud pure quick
  quiet rapid rare ready regal rich ripe robust rosy royal sage sharp shiny silver simple sincere sleek smart smooth snug social solid sound spry stable
  steady still sunny super sure sweet swift tall tidy tough true trusty upbeat vast vivid warm wise witty young zesty`)

export const animals = words(`
  albatross alpaca antelope armadillo avocet axolotl badger beaver bison bittern blackbird bluebird bobcat bream bumblebee bunting butterfly buzzard camel
  capybara caribou carp cassowary chaffinch chamois cheetah chinchilla chipmunk cicada coati condor cormorant coyote crane cricket curlew deer dingo dipper
  dolphin dormouse dragonfly duck dunlin eagle egret eider elk emu ermine falcon ferret finch firefly flamingo flounder fox gazelle gecko gibbon giraffe
  goldfinch goose goshawk grebe grouse gull haddock halibut hamster hare harrier hawk hedgehog heron herring hoopoe hummingbird ibex ibis iguana impala
  jackdaw jaguar kestrel kingfisher kite kiwi koala kookaburra lapwing lark lemur leopard linnet lion llama lobster lynx macaw mackerel magpie mallard
  manatee marmot marten martin meerkat merlin minnow mole moose moth narwhal newt nightingale numbat nuthatch ocelot octopus okapi oriole osprey otter owl
  oyster panda panther parrot pelican penguin perch petrel pheasant pika plover porpoise puffin puma quail quokka rabbit raccoon raven redstart reindeer
  robin salamander salmon sandpiper seal serval shearwater skylark snipe sparrow squirrel starling stoat stork sturgeon swallow swan tapir tern thrush
  tortoise toucan trout turbot turtle viscacha vole wagtail walrus warbler waxwing weasel whale whimbrel wombat woodpecker wren yak zebra`)
