using Xunit;

namespace RunnerVm.Tests.Machines;

public sealed class CrowdTests
{
    [Fact]
    public async Task Jobs_at_once_do_not_disturb_each_other()
    {
        var count = Runner.Soak ? 8 : 3;
        var jobs = Enumerable.Range(0, count).Select(async number =>
        {
            using var folder = new TestFolder();
            folder.Write("number", $"{number}");
            var target = folder.File("out");
            var done = await Runner.ExecAsync(
                "job: {steps: [echo \"I am $(cat number)\"; hostname > name; exit $(cat number)], artifacts: {paths: [name], when: always}}",
                ["--quiet", "--artifacts", target], folder: folder.Path, limit: TimeSpan.FromMinutes(5));
            done.ExpectExit(number);
            Assert.Equal($"I am {number}\n", done.Output);
            return await File.ReadAllTextAsync(Path.Combine(target, "name"));
        });
        var names = await Task.WhenAll(jobs);
        Assert.Equal(count, names.Distinct().Count());
        Leftovers.AssertNone();
    }
}
