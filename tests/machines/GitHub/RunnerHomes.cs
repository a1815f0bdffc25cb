using Xunit;

namespace RunnerVm.Tests.Machines.GitHub;

/// <summary>One home for all classes that need it: its snapshot takes longer to make than most of their tests.</summary>
[CollectionDefinition(Name)]
public sealed class RunnerHomes : ICollectionFixture<RunnerHome>
{
    internal const string Name = "a home with a runner";
}
