using Xunit;

// Machines are heavy, and times are part of what is tested: one after the other.
[assembly: Xunit.v3.Parallelization(Mode = Xunit.Sdk.ParallelMode.None)]
