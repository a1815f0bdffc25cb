using System.Runtime.CompilerServices;

// Every argument is blittable; what is not does not compile.
[assembly: DisableRuntimeMarshalling]
[assembly: InternalsVisibleTo("runnervm-vmm")]
[assembly: InternalsVisibleTo("runnervm-jailer")]
[assembly: InternalsVisibleTo("vmm.tests")]
