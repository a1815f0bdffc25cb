using Xunit;

namespace RunnerVm.Tests.Machines;

/// <summary>The job file of the article this project was born from, as it stands.</summary>
public sealed class ArticleTests
{
    [Fact]
    public async Task The_articles_job_installs_from_a_registry_and_tests()
    {
        await using var registry = new NpmRegistry("left-foot", "1.2.3", "module.exports = text => `left foot: ${text}`;\n");
        using var folder = new TestFolder();
        folder.Write("package.json", """
            {
              "name": "article", "version": "1.0.0", "private": true,
              "scripts": {"test": "node test.js"},
              "dependencies": {"left-foot": "^1.0.0"}
            }
            """);
        folder.Write("test.js", "const f = require('left-foot'); if (f('x') !== 'left foot: x') process.exit(1); console.log('test passed');\n");
        var done = await Runner.RunAsync(
            folder.Path,
            [
                "exec", Path.Combine(Runner.Root, "examples/article.yml"), "--image", "debian-12-node",
                "--allow", $"host:{registry.Port}",
                "--env", $"npm_config_registry=http://host:{registry.Port}/",
                // What npm would otherwise ask the outside world about.
                "--env", "npm_config_audit=false", "--env", "npm_config_fund=false", "--env", "npm_config_update_notifier=false",
            ],
            limit: TimeSpan.FromMinutes(15));
        done.ExpectExit(0);

        Assert.Contains("$ npm install # Could be malicious dependencies\n", done.Output);
        Assert.Contains("added 1 package", done.Output);
        Assert.Contains("test passed\n", done.Output);
        Assert.Contains("firecracker", done.Error); // It is told that another engine does it, where that one is not here.
        Assert.Equal(["/left-foot", "/left-foot/-/left-foot-1.2.3.tgz"], registry.Requests);
        Assert.False(Directory.Exists(folder.File("node_modules")));
    }
}
