/** Says whether every generated file is what its generator would write today, as far as that can be told without the network. */
console.log("no generated files yet");
